"""Two maps, value by value, on the vector engine: word by word, or pixel by pixel if the second is one pixel."""

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.rows import held, pixel_runs
from pyimc.arch import Arch
from pyimc.engines.dpu.task import VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Add, Extreme, Mul, Network, Pairwise, Sub


def operation(node: Pairwise) -> int:
    """Which vector operation computes it."""
    match node:
        case Add():
            return OPERATIONS["ADD"]
        case Sub():
            return OPERATIONS["SUB"]
        case Mul():
            return OPERATIONS["MUL"]
        case Extreme():
            return OPERATIONS["LARGER" if node.mode == "max" else "SMALLER"]
    raise NotImplementedError(f"the vector engine has no {type(node).__name__}")


@firings.register
def _(node: Pairwise, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    """A pixel that all firings read stays until the last one of the image has read it."""
    left, right = network.sources(node)
    if left.shape == right.shape:
        return pixel_runs(network, node, arch, grain, as_words=True)
    walked = pixel_runs(network, node, arch, grain, as_words=False, inputs=1)
    return held(walked, row_words(right, arch))


@task.register
def _(node: Pairwise, network: Network, arch: Arch) -> VectorTask:
    source, other = network.sources(node)
    broadcast = source.shape != other.shape
    run = source.pixel_bytes if broadcast else arch.lanes
    walk = Walk(operation(node), run=run, step=run, row_bytes=source.row_bytes, kernel_columns=2, broadcast=broadcast)
    return VectorTask(
        walk, row_words(source, arch), node.multipliers, 2, node.shift, node.input_zero_points,
        node.output_zero_point, node.clamp,
    )  # fmt: skip
