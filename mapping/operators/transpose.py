"""Transpose on the vector engine: the largest of windows of one byte, a pixel apart."""

from dataclasses import replace

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.pitch import map_words, pitch_faults, pixel_pitch
from mapping.operators.rows import row_firing
from pyimc.arch import Arch
from pyimc.engines.dpu.task import COPY, VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Network, Transpose


@firings.register
def _(node: Transpose, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    """A channel each, of the whole map, which the last one of an image gives back."""
    del grain
    (source,), target = network.sources(node), network.target(node)
    last = row_firing([map_words(source, arch)], row_words(target, arch), source.height * source.width)
    every = [replace(last, x0=channel, free=(0,)) for channel in range(source.channels)]
    return (*every[:-1], replace(every[-1], free=last.free))


@task.register
def _(node: Transpose, network: Network, arch: Arch) -> VectorTask:
    (source,) = network.sources(node)
    size = map_words(source, arch)
    walk = Walk(OPERATIONS["MAX"], run=1, step=pixel_pitch(source, arch), row_bytes=size * arch.lanes)
    return VectorTask(walk, size, COPY, refusals=pitch_faults(source, arch))
