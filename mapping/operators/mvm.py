"""Mvm on the crossbar engine."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.windows import Window, windowed
from pyimc.arch import Arch
from pyimc.engines.imc.task import CrossbarTask
from pyimc.engines.imc.timing import Layer
from pyimc.network import Mvm, Network


@firings.register
def _(node: Mvm, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    source, *_ = network.sources(node)
    part = node.extent(source)
    window = Window(
        rows=part.rows[1] - part.rows[0],
        y0=part.rows[0] - node.pads[0],
        stride_y=node.stride[0],
        x0=(part.columns[0] * node.stride[1] - node.pads[1]) * source.channels + part.run[0],
        stride_x=node.stride[1] * source.channels,
        run=part.run[1] - part.run[0],
    )
    return windowed(network, node, arch, grain, window)


@task.register
def _(node: Mvm, network: Network, arch: Arch) -> CrossbarTask:
    source, *_ = network.sources(node)
    part = node.extent(source)
    layer = Layer(
        run_bytes=part.run[1] - part.run[0],
        step_bytes=node.stride[1] * source.channels,
        row_bytes=source.row_bytes,
        kernel_rows=part.rows[1] - part.rows[0],
        channels=node.bias.size,
        partial_in=len(node.inputs) == 2,
        partial_out=network.target(node).partial,
    )
    return CrossbarTask(
        layer, row_words(source, arch), node.matrix(), node.bias, node.multiplier,
        node.shift, node.input_zero_point, node.output_zero_point, node.clamp,
        adc_shift=node.adc_shift,
    )  # fmt: skip
