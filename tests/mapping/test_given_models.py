# SPDX-License-Identifier: Apache-2.0
"""What chip and host compute is what the given model computes: everything that a quantiser or a fold can get wrong."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from mapping.importer.quantise import quantise
from pyimc.errors import ConfigError, UnsupportedOperator
from pyimc.network import Lut, Mvm, Pool
from tests.mapping.judge import Given, images_for, judge

SHAPE = (1, 3, 8, 8)
IMAGES = images_for(SHAPE)
STEPS = 0.02  # of the span: some of 256 steps


def test_a_factor_along_the_width_is_no_factor_per_channel() -> None:
    """As many columns as channels: nothing but the axis tells them apart."""
    write = Given(SHAPE)
    mask = write.constant(np.linspace(0, 1, 8).reshape(1, 1, 1, 8))
    found = judge(write.model(write.op("Mul", "y", write.conv("t", "x", 3, 8), mask)), IMAGES)
    assert found.worst() < STEPS
    assert found.host == {"y": ("Mul",)}
    assert not found.got["y"][..., 0].any()


@pytest.mark.parametrize("shape", [(8, 1, 1), (1, 8, 1, 1), (), (1,), (1, 1, 1, 1)])
@pytest.mark.parametrize(
    ("op_type", "first"),
    [("Mul", True), ("Mul", False), ("Div", False), ("Add", True), ("Add", False), ("Sub", True), ("Sub", False)],
)
def test_a_factor_or_offset_per_channel_becomes_part_of_the_layer(
    op_type: str, shape: tuple[int, ...], first: bool
) -> None:
    write = Given(SHAPE)
    values = write.constant(np.random.default_rng(1).uniform(0.5, 2, shape))
    conv = write.conv("t", "x", 3, 8)
    sides = (values, conv) if first else (conv, values)
    middle = write.op(op_type, "m", *sides)
    found = judge(write.model(write.conv("y", middle, 8, 4)), IMAGES)
    assert [type(node) for node in found.network.nodes] == [Mvm, Mvm]
    assert found.worst() < STEPS


def test_a_result_with_several_readers_keeps_its_value() -> None:
    write = Given(SHAPE)
    product = write.op("Gemm", "g", write.op("Flatten", "f", "x"), write.weights(192, 16), write.constant(np.zeros(16)))
    shaped = write.op("Reshape", "r", product, write.constant([1, -1], np.int64))
    tripled = write.op("Mul", "m", shaped, write.constant(3))
    one = write.op("Gemm", "one", product, write.weights(16, 4))
    three = write.op("Gemm", "three", tripled, write.weights(16, 4))
    assert judge(write.model(one, three), IMAGES).worst() < STEPS


@pytest.mark.parametrize("limits", [(0.3, None), (None, -0.2), (0.1, 0.4), (-0.5, -0.1)])
@pytest.mark.parametrize("last", [True, False])
def test_limits_that_exclude_zero_stay(limits: tuple[float | None, float | None], last: bool) -> None:
    write = Given(SHAPE)
    names = ["" if limit is None else write.constant(limit) for limit in limits]
    value = write.op("Clip", "u", write.conv("t", "x", 3, 8), *names)
    model = write.model(value if last else write.conv("y", value, 8, 4, 1))
    found = judge(model, IMAGES)
    assert found.worst() < 3 * STEPS  # what is left of the span between the limits
    if last and limits[0] is not None:
        assert found.got["u"].min() > limits[0] - 0.01


def test_an_output_that_only_a_limit_reads_keeps_its_range() -> None:
    write = Given(SHAPE)
    conv = write.conv("t", "x", 3, 8)
    found = judge(write.model(conv, write.op("Relu", "a", conv)), IMAGES)
    assert found.worst() < STEPS
    assert found.got["t"].min() < -0.1
    assert found.got["a"].min() == 0


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 1), (1,), ()])
@pytest.mark.parametrize("kind", ["Gemm", "MatMul"])
def test_a_bias_of_any_legal_shape(shape: tuple[int, ...], kind: str) -> None:
    write = Given(SHAPE)
    flat, bias = write.op("Flatten", "f", "x"), write.constant(np.random.default_rng(1).uniform(-1, 1, shape))
    weights = write.weights(192, 4)
    if kind == "Gemm":
        value = write.op("Gemm", "y", flat, weights, bias, alpha=0.5, beta=2.0)
    else:
        value = write.op("Add", "y", write.op("MatMul", "m", flat, weights), bias)
    found = judge(write.model(value), IMAGES)
    assert found.worst() < STEPS
    assert found.host == {"y": ()}


def test_padding_with_axes_at_the_ends_belongs_to_the_layer_behind() -> None:
    write = Given(SHAPE)
    sizes, axes = write.constant([0, 0, 1, 1], np.int64), write.constant([2, 3], np.int64)
    padded = write.op("Pad", "t", "x", sizes, "", axes)
    found = judge(write.model(write.conv("y", padded, 3, 8, strides=[2, 2], pads=[0] * 4), opset=18), IMAGES)
    assert found.worst() < STEPS
    assert [node.pads for node in found.network.nodes if isinstance(node, Mvm)] == [(0, 0, 1, 1)]


def test_padding_around_channels_is_refused() -> None:
    write = Given(SHAPE)
    padded = write.op("Pad", "t", "x", write.constant([0, 1, 0, 0, 0, 0, 0, 0], np.int64))
    with pytest.raises(UnsupportedOperator, match=r"Pad: only around rows and columns, .* \(n_t\)"):
        quantise(write.model(write.conv("y", padded, 4, 8)), IMAGES)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16])
def test_a_model_in_another_floating_point_type_is_converted(kind: int) -> None:
    write = Given(SHAPE, kind=kind)
    value = write.op("Relu", "y", write.conv("t", "x", 3, 8))
    reference = Given(SHAPE)
    reference.op("Relu", "y", reference.conv("t", "x", 3, 8))
    for tensor, exact in zip(write.constants, reference.constants, strict=True):
        stored = helper.make_tensor(exact.name, kind, exact.dims, np.frombuffer(exact.raw_data, np.float32))
        tensor.CopyFrom(stored)
    model = write.model(value, ir=10, opset=21)
    if kind == TensorProto.BFLOAT16:  # onnxruntime cannot run it, so the judge sees the float32 model
        model = quantise(model, IMAGES)
        assert {each.data_type for each in model.graph.initializer} <= {1, 2, 3, 6}
        return
    if kind == TensorProto.DOUBLE:
        assert quantise(model, IMAGES).graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
        return
    assert judge(model, IMAGES).worst() < STEPS


def test_a_weight_that_is_not_a_number_is_named() -> None:
    write = Given(SHAPE)
    weights = np.ones((8, 3, 3, 3))
    weights[0, 0, 0, 0] = np.nan
    model = write.model(write.op("Conv", "y", "x", write.constant(weights)))
    with pytest.raises(ConfigError, match=r"node n_y: c0 holds values that are not finite \(NaN or infinity\)") as one:
        quantise(model, IMAGES)
    assert "\n" not in str(one.value)


@pytest.mark.parametrize(("low", "high"), [(-3, 3), (0, 255), (1e-6, 2e-6), (-1000, -900)])
def test_inputs_of_any_range(low: float, high: float) -> None:
    write = Given(SHAPE)
    value = write.op("Relu", "r", write.conv("t", "x", 3, 8))
    found = judge(write.model(write.conv("y", value, 8, 4)), images_for(SHAPE, low=low, high=high))
    assert found.ratio_db("y") > 30


def test_a_factor_and_a_limit_at_the_end_are_both_the_hosts() -> None:
    write = Given(SHAPE)
    value = write.op("Relu", "y", write.op("Mul", "m", write.conv("t", "x", 3, 8), write.constant(-2.5)))
    found = judge(write.model(value), IMAGES)
    assert found.host == {"y": ("Mul", "Relu")}
    assert found.worst() < STEPS


@pytest.mark.parametrize("ir", [3, 7, 14])
def test_any_ir_version(ir: int) -> None:
    write = Given(SHAPE)
    model = write.model(write.conv("y", "x", 3, 8), opset=21 if ir > 7 else 13, ir=ir)
    if ir == 3:  # then initialisers are inputs too
        model.graph.input.extend(
            helper.make_tensor_value_info(each.name, each.data_type, each.dims) for each in model.graph.initializer
        )
    assert judge(model, IMAGES).worst() < STEPS


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 17, 21])
@pytest.mark.parametrize("flat", [True, False])
def test_a_softmax_at_the_end_in_every_opset(opset: int, flat: bool) -> None:
    write = Given((1, 3, 16, 16))
    value = write.op("GlobalAveragePool", "p", write.conv("t", "x", 3, 10))
    value = write.op("Flatten", "f", value) if flat else value
    found = judge(write.model(write.op("Softmax", "y", value, axis=1), opset=opset), images_for((1, 3, 16, 16)))
    assert found.host == {"y": ("Softmax",)}
    assert [type(node) for node in found.network.nodes] == [Mvm, Pool]
    assert found.worst() < STEPS


@pytest.mark.parametrize("factor", [1e-3, 1e-5, 1e-9, 0.0])
def test_a_dead_channel_keeps_its_bias(factor: float) -> None:
    """Batch normalisation and pruning leave channels of hardly any weights, whose bias is an answer like any other."""
    write = Given(SHAPE)
    weights = write.rng.normal(0, 0.2, (8, 3, 3, 3))
    weights[0] *= factor
    bias = write.constant(np.full(8, -1.0))
    found = judge(write.model(write.op("Conv", "y", "x", write.constant(weights), bias, pads=[1] * 4)), IMAGES)
    exact, kind = found.wanted["y"][:, :, 0], found.network.tensors[found.network.outputs[0]]
    assert np.abs(found.got["y"][:, :, 0] - exact).max() <= 0.5001 * kind.scale + 2e-4 * np.ptp(found.wanted["y"])
    assert found.worst() < STEPS


def test_names_may_have_brackets_colons_and_slashes() -> None:
    write = Given(SHAPE)
    model = write.model(write.conv("y", "x", 3, 8))
    model.graph.node[0].name = "model/blk[/relu]:0"
    assert [node.name for node in judge(model, IMAGES).network.nodes] == ["model/blk[/relu]:0"]


def test_a_mean_over_rows_and_columns_is_a_pool() -> None:
    for opset, keep in ((13, 1), (13, 0), (18, 1), (18, 0)):
        write = Given(SHAPE)
        conv = write.conv("t", "x", 3, 8)
        if opset == 18:
            value = write.op("ReduceMean", "m", conv, write.constant([-1, 2], np.int64), keepdims=keep)
        else:
            value = write.op("ReduceMean", "m", conv, axes=[2, 3], keepdims=keep)
        value = write.op("Flatten", "f", value) if keep else value
        found = judge(write.model(write.op("Gemm", "y", value, write.weights(8, 4)), opset=opset), IMAGES)
        assert [type(node) for node in found.network.nodes] == [Mvm, Pool, Mvm]
        assert found.worst() < STEPS


def test_a_reshape_with_allowzero_and_no_zero() -> None:
    write = Given(SHAPE)
    shaped = write.op("Reshape", "r", write.conv("t", "x", 3, 8), write.constant([1, 512], np.int64), allowzero=1)
    assert judge(write.model(write.op("MatMul", "y", shaped, write.weights(512, 4))), IMAGES).worst() < STEPS


def test_a_symbolic_batch_is_one_and_other_sizes_are_given() -> None:
    write = Given(("N", 3, "H", "W"))
    conv = write.conv("t", "x", 3, 8)
    shape = write.op("Concat", "s", write.op("Slice", "b", write.op("Shape", "sh", conv),
                                             write.constant([0], np.int64), write.constant([1], np.int64)),
                     write.constant([-1], np.int64), axis=0)  # fmt: skip
    model = write.model(write.op("MatMul", "y", write.op("Reshape", "r", conv, shape), write.weights(512, 4)))
    with pytest.raises(UnsupportedOperator, match=r"give --shape H=N"):
        quantise(model, IMAGES)
    found = judge(model, IMAGES, shapes={"H": 8, "W": 8})
    assert found.worst() < STEPS
    with pytest.raises(ConfigError, match=r"no input has a size named Q; its inputs are x \(N, 3, H, W\)"):
        judge(model, IMAGES, shapes={"Q": 8})


CHAINS: dict[str, list[tuple[str, float | None]]] = {
    "gelu": [("Div", 1.4142135), ("Erf", None), ("Add", 1.0), ("Mul", 0.5)],
    "hard": [("Add", 3.0), ("Clip06", None), ("Div", 6.0)],
    "softplus": [("Softplus", None), ("Sub", 0.5)],
    "abs": [("Neg", None), ("Abs", None), ("Exp", None)],
    "selu": [("Selu", None), ("PRelu", 0.25)],
    "power": [("Pow", 2.0), ("Max", 0.2), ("Min", 0.9)],
}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_of_functions_is_one_table(chain: str) -> None:
    write = Given(SHAPE)
    value = write.conv("t", "x", 3, 8)
    twice = write.op("Relu", "t2", value)  # a second reader: no factor may go into the layer
    for number, (op_type, constant) in enumerate(CHAINS[chain]):
        others = [] if constant is None else [write.constant(constant)]
        if op_type == "Clip06":
            op_type, others = "Clip", [write.constant(0), write.constant(6)]
        value = write.op(op_type, f"f{number}", value, *others)
    found = judge(write.model(write.conv("y", value, 8, 4), write.conv("z", twice, 8, 4)), IMAGES)
    tables = [node for node in found.network.nodes if isinstance(node, Lut)]
    assert len(tables) == 1
    assert found.worst() < STEPS
