"""Add on the vector engine, word by word."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.rows import pixel_runs
from pyimc.arch import Arch
from pyimc.engines.dpu.task import VectorTask
from pyimc.isa import OPERATIONS
from pyimc.network import Add, Network
from pyimc.timing_dpu import Walk


@firings.register
def _(node: Add, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    return pixel_runs(network, node, arch, grain, as_words=True)


@task.register
def _(node: Add, network: Network, arch: Arch) -> VectorTask:
    source, _ = network.sources(node)
    walk = Walk(OPERATIONS["ADD"], run=arch.lanes, step=arch.lanes, row_bytes=source.row_bytes, kernel_columns=2)
    return VectorTask(
        walk, row_words(source, arch), node.multipliers, 2, node.shift, node.input_zero_points,
        node.output_zero_point, node.clamp,
    )  # fmt: skip
