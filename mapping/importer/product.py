"""MatMul of two activations: matrices (1, M, K) and (1, K, N), or several of them beside each other, (1, heads, M, K).

A map is stored pixel by pixel; as a matrix it has a column for every pixel, and as several one below the other. So the
product A B is computed as its transpose: the pixels of B, whose channels are a column, times the map of A, whose
pixels are the rows that they meet. What is transposed in the graph is transposed by a node of its own.
"""

from math import prod

from mapping.importer.lowering import fixed_point
from mapping.importer.values import Activation, Call, Pending, Target, Unsupported
from pyimc.network import Matmul, Node, TensorType, Transpose

PRODUCTS = (
    "or two activations (1, M, K) and (1, K, N) or (1, heads, M, K) and (1, heads, K, N), each a map as a matrix with "
    "a column for every pixel, or that transposed (the second of several heads not)"
)
"""What `docs/operators.md` says of them."""


def lower_product(call: Call) -> Pending:
    """A node on two maps, and one for each that is transposed.

    Raises:
        Unsupported: What is multiplied is no matrix, or matrices that do not go together.
    """
    left, right = call.matrix(0), call.matrix(1)
    if not (left.real and right.real):
        raise Unsupported("it works on integers (only on dequantised activations)")
    heads = [_heads(each) for each in (left, right)]
    if heads[0] != heads[1] or left.shape[-1] != right.shape[-2]:
        raise Unsupported(f"shapes {left.shape} and {right.shape} (only (1, heads, M, K) and (1, heads, K, N))")
    if right.turned and heads[1] > 1:
        raise Unsupported(f"its second input is transposed in {heads[1]} heads (only in one)")

    def emit(target: Target) -> tuple[Node, ...]:
        nodes: list[Node] = []

        def upright(source: Activation, side: str) -> str:
            if not source.turned:
                return source.tensor
            height, width, channels = source.hwc
            meaning = (source.quantisation.scale, source.quantisation.zero_point)
            tensor = f"{target.output}.{side}"
            target.tensors[tensor] = TensorType(channels, 1, height * width, *meaning)
            nodes.append(Transpose(f"{target.name}.{side}", (source.tensor,), tensor))
            return tensor

        inputs = (upright(right, "right"), upright(left, "left"))
        (_, multiplier), shift = fixed_point(
            [0.0, left.quantisation.scale * right.quantisation.scale / target.kind.scale]
        )
        zeros = (right.quantisation.zero_point, left.quantisation.zero_point)
        scales = ((0, multiplier), shift, zeros, target.kind.zero_point, target.clamp)
        return (*nodes, Matmul(target.name, inputs, target.output, heads[0], *scales))

    shape = (*left.shape[:-1], right.shape[-1])
    pixels = (right.hwc[2], 1) if right.turned else right.hwc[:2]
    return Pending(emit, shape, (*pixels, prod(shape[1:-1])), name=call.name)


def _heads(source: Activation) -> int:
    """How many matrices an activation is."""
    pixels = source.hwc[0] * source.hwc[1]
    shape = source.shape
    if len(shape) not in (3, 4) or shape[0] != 1 or shape[-2 if source.turned else -1] != pixels:
        raise Unsupported(f"input of shape {shape} (only matrices with a column for every pixel, or transposed ones)")
    return prod(shape[1:-2])
