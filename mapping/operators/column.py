"""Column on the vector engine: the largest of windows of one pixel, each in a firing of its own."""

from dataclasses import replace

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, repetition, task
from mapping.operators.rows import row_firing
from pyimc.arch import Arch
from pyimc.engines.dpu.task import COPY, VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Column, Network


@firings.register
def _(node: Column, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    """A pixel each, the last of a row of which releases what they read."""
    del grain
    (source,), target = network.sources(node), network.target(node)
    words, last = row_words(source, arch), source.width - 1
    pixel = row_firing([words], row_words(target, arch), 1)
    row = [replace(pixel, x0=n * source.channels, free=(words if n == last else 0,)) for n in range(source.width)]
    return (*row,) * source.height


@repetition.register
def _(node: Column, network: Network) -> int:
    """Once for a row that is read."""
    (source,) = network.sources(node)
    return source.height


@task.register
def _(node: Column, network: Network, arch: Arch) -> VectorTask:
    (source,) = network.sources(node)
    pixel = source.pixel_bytes
    walk = Walk(OPERATIONS["MAX"], run=pixel, step=pixel, row_bytes=source.row_bytes)
    return VectorTask(walk, row_words(source, arch), COPY)
