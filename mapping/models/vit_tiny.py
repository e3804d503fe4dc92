"""A vision transformer of the size of DeiT-Tiny (Touvron et al., 2021) for 32x32 images, ten classes, seeded weights.

Width 192, 3 heads, 12 blocks with a hidden layer of 768, a class token: those of ViT-Ti. The patches are 4x4 instead of
16x16, so that an image of 32x32 gives 64 tokens and the class token, not 197. 5,319,552 weights in layers; 365.9 M
multiply-accumulates, 19.5 M of them between activations. It is written as torch.onnx.export writes it, tokens with
channels last, one layer for query, key and value. The weights are random: no accuracy is claimed.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from mapping.models.builder import GraphBuilder

SEED = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a vision transformer.

    Attributes:
        image: Rows and columns of the image, which has three channels.
        patch: Rows and columns of what becomes a token.
        width: Channels of a token.
        heads: Of attention.
        blocks: How many.
        hidden: Channels between the two layers behind attention.
        classes: Outputs.
        class_token: Its answer is that of a token of its own; else of the mean of all tokens.
    """

    image: int = 32
    patch: int = 4
    width: int = 192
    heads: int = 3
    blocks: int = 12
    hidden: int = 768
    classes: int = 10
    class_token: bool = True

    @property
    def tokens(self) -> int:
        """With the class token."""
        return (self.image // self.patch) ** 2 + self.class_token


def build() -> onnx.ModelProto:
    """The float32 model."""
    return transformer("vit_tiny", Shape(), SEED)


def transformer(name: str, shape: Shape, seed: int) -> onnx.ModelProto:
    """A vision transformer of any size."""
    graph = GraphBuilder(name, (1, 3, shape.image, shape.image), seed)
    width, size = shape.width, (shape.patch, shape.patch)
    value = graph.conv("patches", graph.input, 3, width, size, size, bias=True)
    value = graph.op("Reshape", "flat", [value, _shape(graph, "flat", 1, width, -1)])
    value = graph.op("Transpose", "tokens", [value], perm=[0, 2, 1])
    if shape.class_token:
        token = graph.constant("class_token", graph.normal((1, 1, width), 0.5))
        value = graph.op("Concat", "joined", [token, value], axis=1)
    places = graph.constant("positions", graph.normal((1, shape.tokens, width), 0.5))
    value = graph.op("Add", "placed", [value, places])
    for block in range(shape.blocks):
        value = _block(graph, f"block{block}", value, shape)
    value = _norm(graph, "norm", value, width)
    if shape.class_token:
        value = graph.op("Gather", "answer", [value, graph.constant("first", np.array(0))], axis=1)
    else:
        value = graph.op("ReduceMean", "answer", [value, graph.constant("along", np.array([1]))], keepdims=0)
    return graph.finish(graph.gemm("head", value, width, shape.classes))


def _block(graph: GraphBuilder, name: str, source: str, shape: Shape) -> str:
    """Attention, then two layers, each behind a norm and beside a shortcut."""
    width = shape.width
    mixed = _attention(graph, name, _norm(graph, f"{name}.norm1", source, width), shape)
    value = graph.add(f"{name}.add1", source, _linear(graph, f"{name}.project", mixed, width, width))
    inner = _linear(graph, f"{name}.up", _norm(graph, f"{name}.norm2", value, width), width, shape.hidden)
    return graph.add(
        f"{name}.add2", value, _linear(graph, f"{name}.down", _gelu(graph, f"{name}.gelu", inner), shape.hidden, width)
    )


def _attention(graph: GraphBuilder, name: str, source: str, shape: Shape) -> str:
    """Every token by every other, head by head."""
    tokens, width, heads = shape.tokens, shape.width, shape.heads
    value = _linear(graph, f"{name}.qkv", source, width, 3 * width)
    value = graph.op(
        "Reshape", f"{name}.apart", [value, _shape(graph, f"{name}.apart", 1, tokens, 3, heads, width // heads)]
    )
    value = graph.op("Transpose", f"{name}.heads", [value], perm=[2, 0, 3, 1, 4])
    query, key, values = (
        graph.op("Gather", f"{name}.{part}", [value, graph.constant(f"{name}.{part}.index", np.array(index))], axis=0)
        for index, part in enumerate(("query", "key", "value"))
    )
    scale = graph.constant(f"{name}.scale", np.array((width // heads) ** -0.5, np.float32))
    query = graph.op("Mul", f"{name}.scaled", [query, scale])
    key = graph.op("Transpose", f"{name}.turned", [key], perm=[0, 1, 3, 2])
    shares = graph.op("Softmax", f"{name}.shares", [graph.op("MatMul", f"{name}.scores", [query, key])], axis=-1)
    mixed = graph.op("MatMul", f"{name}.mixed", [shares, values])
    mixed = graph.op("Transpose", f"{name}.beside", [mixed], perm=[0, 2, 1, 3])
    return graph.op("Reshape", f"{name}.joined", [mixed, _shape(graph, f"{name}.joined", 1, tokens, width)])


def _norm(graph: GraphBuilder, name: str, source: str, channels: int) -> str:
    gain = graph.constant(f"{name}.weight", graph.rng.uniform(0.5, 1.5, channels).astype(np.float32))
    bias = graph.constant(f"{name}.bias", graph.normal((channels,), 0.2))
    return graph.op("LayerNormalization", name, [source, gain, bias], axis=-1, epsilon=1e-6)


def _linear(graph: GraphBuilder, name: str, source: str, inputs: int, outputs: int) -> str:
    weights = graph.constant(f"{name}.weight", graph.normal((inputs, outputs), inputs**-0.5))
    bias = graph.constant(f"{name}.bias", graph.normal((outputs,), 0.1))
    return graph.op("Add", f"{name}.sum", [graph.op("MatMul", name, [source, weights]), bias])


def _gelu(graph: GraphBuilder, name: str, source: str) -> str:
    """x * (1 + erf(x / sqrt(2))) / 2, step by step."""
    root, one, half = (
        graph.constant(f"{name}.{key}", np.array(value, np.float32))
        for key, value in (("root", 2**0.5), ("one", 1), ("half", 0.5))
    )
    erf = graph.op("Erf", f"{name}.erf", [graph.op("Div", f"{name}.over", [source, root])])
    product = graph.op("Mul", f"{name}.product", [source, graph.op("Add", f"{name}.above", [erf, one])])
    return graph.op("Mul", name, [product, half])


def _shape(graph: GraphBuilder, name: str, *sizes: int) -> str:
    return graph.constant(f"{name}.shape", np.array(sizes, np.int64))
