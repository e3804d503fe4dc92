"""Normalise on the vector engine: every pixel is read twice, for its sums and for the result."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.rows import readings
from pyimc.arch import Arch
from pyimc.engines.dpu.task import VectorTask
from pyimc.engines.dpu.timing import NORMALISE_PAUSE_CYCLES, Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Network, Normalise

_AGAIN = 1


@firings.register
def _(node: Normalise, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    return readings(network, node, arch, grain, _AGAIN + 1)


@task.register
def _(node: Normalise, network: Network, arch: Arch) -> VectorTask:
    (source,) = network.sources(node)
    run = source.pixel_bytes
    walk = Walk(
        OPERATIONS["NORMALISE"], run=run, step=run, row_bytes=source.row_bytes, repeat=_AGAIN,
        pause=NORMALISE_PAUSE_CYCLES,
    )  # fmt: skip
    return VectorTask(
        walk, row_words(source, arch), node.multipliers, shift=node.shift, output_zero_point=node.output_zero_point,
        clamp=node.clamp, epsilon=node.epsilon,
    )  # fmt: skip
