"""Pool on the vector engine, a pixel of the window at a time."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.windows import channelwise, windowed
from pyimc.arch import Arch
from pyimc.engines.dpu.task import VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Network, Pool


@firings.register
def _(node: Pool, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    (source,) = network.sources(node)
    return windowed(network, node, arch, grain, channelwise(source, node.kernel, node.stride, node.pads))


@task.register
def _(node: Pool, network: Network, arch: Arch) -> VectorTask:
    (source,) = network.sources(node)
    walk = Walk(
        OPERATIONS[node.mode.upper()],
        run=source.pixel_bytes,
        step=node.stride[1] * source.pixel_bytes,
        row_bytes=source.row_bytes,
        kernel_columns=node.kernel[1],
    )
    return VectorTask(
        walk, row_words(source, arch), tuple(node.multipliers.tolist()), 1, node.shift,
        (node.input_zero_point, 0), node.output_zero_point, node.clamp,
    )  # fmt: skip
