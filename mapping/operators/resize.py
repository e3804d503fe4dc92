"""Resize on the vector engine: the largest of windows of one pixel, each given several times."""

from dataclasses import replace

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, repetition, task
from mapping.operators.rows import row_firing
from pyimc.arch import Arch
from pyimc.engines.dpu.task import COPY, VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Network, Resize


@firings.register
def _(node: Resize, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    """Whole rows, of which the last one of a kind releases what they read."""
    (source,), target = network.sources(node), network.target(node)
    last = row_firing([row_words(source, arch)], row_words(target, arch), target.width)
    return (*[replace(last, free=(0,))] * (node.factor - 1), last) * source.height


@repetition.register
def _(node: Resize, network: Network) -> int:
    """Once for a row that is read."""
    (source,) = network.sources(node)
    return source.height


@task.register
def _(node: Resize, network: Network, arch: Arch) -> VectorTask:
    (source,) = network.sources(node)
    pixel = source.pixel_bytes
    walk = Walk(OPERATIONS["MAX"], run=pixel, step=pixel, row_bytes=source.row_bytes, repeat=node.factor - 1)
    return VectorTask(walk, row_words(source, arch), COPY)
