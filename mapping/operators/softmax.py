"""Softmax on the vector engine: every row is read for its largest value, for the sum and for the shares."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.rows import readings
from pyimc.arch import Arch
from pyimc.engines.dpu.task import VectorTask
from pyimc.engines.dpu.timing import SOFTMAX_PAUSE_CYCLES, Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Network, Softmax

_AGAIN = 2


@firings.register
def _(node: Softmax, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    return readings(network, node, arch, grain, node.groups * (_AGAIN + 1))


@task.register
def _(node: Softmax, network: Network, arch: Arch) -> VectorTask:
    (source,) = network.sources(node)
    run = source.pixel_bytes // node.groups
    walk = Walk(
        OPERATIONS["SOFTMAX"], run=run, step=run, row_bytes=source.row_bytes, repeat=_AGAIN, pause=SOFTMAX_PAUSE_CYCLES
    )
    return VectorTask(
        walk, row_words(source, arch), node.multipliers, shift=node.shift, output_zero_point=node.output_zero_point,
        clamp=node.clamp, exponent=node.exponent,
    )  # fmt: skip
