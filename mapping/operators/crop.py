"""Crop on the vector engine: the largest of windows of one pixel, at those that are kept."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.windows import Window, windowed
from pyimc.arch import Arch
from pyimc.engines.dpu.task import COPY, VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Crop, Network


@firings.register
def _(node: Crop, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    (source,) = network.sources(node)
    window = Window(
        rows=1,
        y0=node.start[0],
        stride_y=node.step[0],
        x0=node.start[1] * source.channels,
        stride_x=node.step[1] * source.channels,
        run=source.channels,
    )
    return windowed(network, node, arch, grain, window)


@task.register
def _(node: Crop, network: Network, arch: Arch) -> VectorTask:
    (source,) = network.sources(node)
    pixel = source.pixel_bytes
    walk = Walk(OPERATIONS["MAX"], run=pixel, step=node.step[1] * pixel, row_bytes=source.row_bytes)
    return VectorTask(walk, row_words(source, arch), COPY)
