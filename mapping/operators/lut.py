"""Lut on the vector engine, word by word."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.rows import pixel_runs
from pyimc.arch import Arch
from pyimc.engines.dpu.task import VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Lut, Network


@firings.register
def _(node: Lut, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    return pixel_runs(network, node, arch, grain, as_words=True)


@task.register
def _(node: Lut, network: Network, arch: Arch) -> VectorTask:
    (source,) = network.sources(node)
    walk = Walk(OPERATIONS["LUT"], run=arch.lanes, step=arch.lanes, row_bytes=source.row_bytes)
    return VectorTask(walk, row_words(source, arch), (0, 1), lookup=node.table.tobytes())
