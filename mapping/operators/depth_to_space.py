"""DepthToSpace on the vector engine: the largest of windows of one pixel, which is a row of a block.

A row of the input holds what becomes several rows of the output: each firing takes its own piece of every pixel. The
pixels of a block's row lie side by side in both maps, so that columns cost nothing.
"""

from dataclasses import replace

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, repetition, task
from mapping.operators.rows import row_firing
from pyimc.arch import Arch
from pyimc.engines.dpu.task import COPY, VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import DepthToSpace, Network


@firings.register
def _(node: DepthToSpace, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    """Whole rows, of which the last one of a block releases what they read."""
    (source,), target = network.sources(node), network.target(node)
    words, run = row_words(source, arch), node.block[1] * target.channels
    whole = row_firing([words], row_words(target, arch), source.width)
    last = node.block[0] - 1
    rows = [replace(whole, x0=row * run, free=(words if row == last else 0,)) for row in range(last + 1)]
    return (*rows,) * source.height


@repetition.register
def _(node: DepthToSpace, network: Network) -> int:
    """Once for a row that is read."""
    (source,) = network.sources(node)
    return source.height


@task.register
def _(node: DepthToSpace, network: Network, arch: Arch) -> VectorTask:
    (source,), target = network.sources(node), network.target(node)
    run = node.block[1] * target.channels
    walk = Walk(OPERATIONS["MAX"], run=run, step=source.pixel_bytes, row_bytes=source.row_bytes)
    return VectorTask(walk, row_words(source, arch), COPY)
