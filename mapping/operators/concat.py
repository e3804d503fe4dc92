"""Concat on the vector engine: pixels in turn, or, side by side, rows in turn as if they were pixels."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.rows import pixel_runs, whole_rows
from pyimc.arch import Arch
from pyimc.engines.dpu.task import VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Concat, Network


@firings.register
def _(node: Concat, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    if node.axis == "columns":
        return whole_rows(network, node, arch)
    return pixel_runs(network, node, arch, grain, as_words=False)


@task.register
def _(node: Concat, network: Network, arch: Arch) -> VectorTask:
    left, right = network.sources(node)
    runs = (left.pixel_bytes, right.pixel_bytes) if node.axis == "channels" else (left.row_bytes, right.row_bytes)
    walk = Walk(
        OPERATIONS["CONCAT"], run=runs[0], step=runs[1], row_bytes=max(left.row_bytes, right.row_bytes)
    )  # fmt: skip
    return VectorTask(
        walk, row_words(left, arch), node.multipliers, 2, node.shift, node.input_zero_points,
        node.output_zero_point, node.clamp,
    )  # fmt: skip
