"""Depthwise on the vector engine: a pixel of the window at a time, as pooling, and a weight for each channel."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.windows import channelwise, windowed
from pyimc.arch import Arch
from pyimc.engines.dpu.task import Kernels, VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Depthwise, Network


@firings.register
def _(node: Depthwise, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    (source,) = network.sources(node)
    return windowed(network, node, arch, grain, channelwise(source, node.kernel, node.stride, node.pads))


@task.register
def _(node: Depthwise, network: Network, arch: Arch) -> VectorTask:
    (source,) = network.sources(node)
    walk = Walk(
        OPERATIONS["DEPTHWISE"],
        run=source.pixel_bytes,
        step=node.stride[1] * source.pixel_bytes,
        row_bytes=source.row_bytes,
        kernel_columns=node.kernel[1],
    )
    return VectorTask(
        walk, row_words(source, arch), tuple(node.multiplier.tolist()), 1,
        zero_points=(node.input_zero_point, 0), output_zero_point=node.output_zero_point, clamp=node.clamp,
        kernels=Kernels(node.weights.transpose(1, 2, 0), node.unpadded_bias(), node.shift),
    )  # fmt: skip
