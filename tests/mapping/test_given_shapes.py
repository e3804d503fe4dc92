# SPDX-License-Identifier: Apache-2.0
"""Rows, views, borders, reductions and orders of channels: near the given model, and each node within a step of ORT."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from mapping.compile import compile_network
from mapping.importer.inputs import load_source, quantise_input
from mapping.importer.preprocess import Preprocess
from mapping.importer.quantise import quantise
from mapping.importer.reference import compare
from mapping.importer.walk import import_model
from pyimc import golden
from pyimc.arch import load_arch
from pyimc.cycle import Run
from pyimc.errors import UnsupportedOperator
from pyimc.network import Network
from tests.mapping.judge import Given, images_for, judge

STEPS = 0.03  # of the span
MAP, ROW = (1, 4, 6, 8), (1, 4, 12)
I64 = np.int64
Write = Callable[[Given], str]


def right(shape: Sequence[int], write: Write, opset: int = 18) -> Network:
    """The network of a model that is near the given one, each of its nodes within a step of onnxruntime."""
    given = Given(shape)
    model = given.model(write(given), opset=opset)
    size = (shape[1], *(1, 1, *shape[2:])[-2:])
    images = list(np.random.default_rng(3).uniform(-1, 1, (3, *size)).astype(np.float32))
    found = judge(model, images)
    assert found.worst() < STEPS, found.worst()
    quantised = quantise(model, images)
    network = import_model(quantised, "net")
    checks = compare(quantised, network, images[0])
    assert max(check.max_lsb for check in checks) <= 1
    return found.network


def row_conv(given: Given, output: str, source: str, cin: int, cout: int, size: int = 3, **attributes: object) -> str:
    weights = given.constant(given.rng.standard_normal((cout, cin, size)) * (2 / cin / size) ** 0.5)
    return given.op("Conv", output, source, weights, **({"pads": [size // 2] * 2} | attributes))


ROWS: dict[str, Write] = {
    "a convolution": lambda g: row_conv(g, "y", "x", 4, 6),
    "strides, dilation and uneven pads": lambda g: row_conv(
        g, "y", "x", 4, 6, strides=[2], dilations=[2], pads=[3, 1], kernel_shape=[3]
    ),
    "groups": lambda g: row_conv(g, "z", row_conv(g, "y", "x", 4, 8), 2, 8, group=4),
    "auto_pad": lambda g: row_conv(g, "y", "x", 4, 6, 4, auto_pad="SAME_UPPER", pads=None),
    "normalised": lambda g: g.op(
        "Relu", "y", g.op("BatchNormalization", "b", row_conv(g, "c", "x", 4, 6),
                          *[g.constant(g.rng.uniform(0.5, 2, 6)) for _ in range(4)]),
    ),
    "MaxPool": lambda g: g.op("MaxPool", "y", row_conv(g, "c", "x", 4, 6), kernel_shape=[3], strides=[2], pads=[1, 0]),
    "AveragePool": lambda g: g.op("AveragePool", "y", row_conv(g, "c", "x", 4, 6), kernel_shape=[3], pads=[1, 1]),
    "global pools and a Gemm": lambda g: g.op(
        "Gemm", "y", g.op("Flatten", "f", g.op("GlobalAveragePool", "p", row_conv(g, "c", "x", 4, 6))), g.weights(6, 3)
    ),
    "a sum": lambda g: g.op("Add", "y", row_conv(g, "c", "x", 4, 4), "x"),
    "Concat and Split": lambda g: g.op("Concat", "y", row_conv(g, "a", "x", 4, 3), row_conv(g, "b", "x", 4, 5), axis=1),
    "a Pad": lambda g: row_conv(
        g, "y", g.op("Pad", "p", "x", g.constant([0, 0, 2, 0, 0, 1], I64)), 4, 3, pads=[0, 0]
    ),
    "a mean": lambda g: g.op("ReduceMean", "y", row_conv(g, "c", "x", 4, 6), g.constant([2], I64), keepdims=0),
    "as a map of one row": lambda g: g.op(
        "Squeeze", "y",
        g.op("MaxPool", "m", g.op("Unsqueeze", "u", row_conv(g, "c", "x", 4, 6), g.constant([2], I64)),
             kernel_shape=[1, 2], strides=[1, 2]),
        g.constant([2], I64),
    ),
}  # fmt: skip

MAPS: dict[str, Write] = {
    "GlobalMaxPool": lambda g: g.op("GlobalMaxPool", "y", g.conv("c", "x", 4, 6)),
    "ReduceMax of rows": lambda g: g.op("ReduceMax", "y", g.conv("c", "x", 4, 6), g.constant([2], I64)),
    "ReduceMax of columns": lambda g: g.op("ReduceMax", "y", g.conv("c", "x", 4, 6), g.constant([-1], I64)),
    "ReduceMean of rows, then a row": lambda g: row_conv(
        g, "y", g.op("ReduceMean", "m", g.conv("c", "x", 4, 6), g.constant([2], I64), keepdims=0), 6, 3
    ),
    "ReduceSum of both": lambda g: g.op(
        "ReduceSum", "y", g.conv("c", "x", 4, 6), g.constant([2, 3], I64), keepdims=0
    ),
    "ReduceMean of channels": lambda g: g.op("ReduceMean", "y", g.conv("c", "x", 4, 6), g.constant([1], I64)),
    "ReduceSum of channels": lambda g: g.op("ReduceSum", "y", g.conv("c", "x", 4, 6), g.constant([1], I64)),
    "flat and a map again": lambda g: g.conv(
        "y", g.op("Reshape", "r", g.op("Flatten", "f", g.conv("c", "x", 4, 6)), g.constant([1, 6, 6, 8], I64)), 6, 3
    ),
    "a Transpose of a pixel": lambda g: g.op(
        "Gemm", "y",
        g.op("Reshape", "r",
             g.op("Transpose", "t", g.op("GlobalAveragePool", "p", g.conv("c", "x", 4, 6)), perm=[0, 1, 3, 2]),
             g.constant([1, 6], I64)),
        g.weights(6, 3),
    ),
    "a Pad at the end": lambda g: g.op(
        "Pad", "y", g.conv("c", "x", 4, 6), g.constant([0, 0, 1, 2, 0, 0, 0, 1], I64)
    ),
    "a Pad that two read": lambda g: g.op(
        "Concat", "y",
        g.conv("a", g.op("Pad", "p", "x", g.constant([0, 0, 1, 1, 0, 0, 1, 1], I64)), 4, 3, pads=[0] * 4),
        g.conv("b", "p", 4, 5, pads=[0] * 4), axis=1,
    ),
    "a Pad before a maximum": lambda g: g.op(
        "MaxPool", "y",
        g.op("Pad", "p", g.op("Relu", "r", g.conv("c", "x", 4, 6)), g.constant([0, 0, 1, 1, 0, 0, 0, 0], I64)),
        kernel_shape=[3, 3], strides=[2, 2],
    ),
    "a shuffle of channels": lambda g: g.conv(
        "y",
        g.op("Reshape", "b",
             g.op("Transpose", "t",
                  g.op("Reshape", "a", g.conv("c", "x", 4, 6), g.constant([1, 2, 3, 6, 8], I64)), perm=[0, 2, 1, 3, 4]),
             g.constant([1, 6, 6, 8], I64)),
        6, 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
def test_rows_are_maps_of_height_1(case: str) -> None:
    network = right(ROW, ROWS[case])
    assert all(kind.height == 1 for kind in network.tensors.values())


@pytest.mark.parametrize("case", MAPS)
def test_what_moves_or_adds_up_pixels(case: str) -> None:
    right(MAP, MAPS[case])


def test_a_sum_of_rows_in_an_old_opset() -> None:
    right(MAP, lambda g: g.op("ReduceMean", "y", g.conv("c", "x", 4, 6), axes=[2, 3], keepdims=0), opset=13)


def test_a_pad_before_a_maximum_of_negative_values_stays_a_layer() -> None:
    """Zeros around values below 0 are the largest."""
    pads = [0, 0, 1, 1, 0, 0, 0, 0]
    network = right(
        MAP,
        lambda g: g.op("MaxPool", "y", g.op("Pad", "p", g.conv("c", "x", 4, 6), g.constant(pads, I64)),
                       kernel_shape=[3, 3], strides=[2, 2]),
    )  # fmt: skip
    assert [node.name for node in network.nodes] == ["n_c", "n_p", "n_y"]


def test_a_network_of_rows_runs() -> None:
    network = right(ROW, lambda g: g.op("MaxPool", "p", ROWS["groups"](g), kernel_shape=[2], strides=[2]))
    assert not Run(compile_network(network, load_arch("tiny")), 3).until(3).deadlock


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda g: g.conv("y", g.op("Transpose", "t", "x", perm=[0, 1, 3, 2]), 4, 3), "moves values"),
        (lambda g: row_conv(g, "y", g.op("ReduceMax", "m", "x", axes=[3], keepdims=0), 4, 3), "moves the values"),
        (lambda g: g.conv("y", g.op("ReduceMax", "m", "x", axes=[0]), 4, 3), "only channels, rows and columns"),
        (lambda g: g.conv("y", g.op("Pad", "p", "x", g.constant([0, 1, 0, 0, 0, 0, 0, 0], I64), mode="edge"), 5, 3),
         "Pad: only around rows and columns"),
    ],
)  # fmt: skip
def test_what_would_move_values_is_refused(write: Write, said: str) -> None:
    given = Given(MAP)
    with pytest.raises(UnsupportedOperator, match=said):
        quantise(given.model(write(given), opset=13), images_for(MAP))


@pytest.mark.parametrize(("shape", "order"), [((1, 6, 8, 4), [0, 3, 1, 2]), ((1, 12, 4), [0, 2, 1])])
def test_an_input_with_channels_last_is_sent_as_it_is(shape: tuple[int, ...], order: list[int]) -> None:
    """As TensorFlow's converter writes it; onnxruntime gets the model and the image as the user has them."""
    given = Given(shape)
    first = given.op("Transpose", "t", "x", perm=order)
    model = given.model(given.conv("y", first, 4, 3) if len(shape) == 4 else row_conv(given, "y", first, 4, 3))
    image = np.random.default_rng(2).random(shape, np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {"x": image})
    channels_first = np.transpose(image, order).reshape(4, *(1, *shape[1:-1])[-2:])
    network = judge(model, [channels_first]).network
    found = golden.run(network, quantise_input(network, channels_first))[network.outputs[0]]
    kind = network.tensors[network.outputs[0]]
    real = kind.scale * (found.transpose(2, 0, 1).astype(np.float64) - kind.zero_point)
    assert np.abs(real.reshape(wanted.shape) - wanted).max() < STEPS * np.ptp(wanted)
    assert network.tensors[network.input].shape == (*(1, *shape[1:-1])[-2:], 4)


def test_an_array_of_rows_is_an_input(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((5, 4, 12), np.float32)
    np.save(tmp_path / "rows.npy", rows)
    source = load_source(tmp_path / "rows.npy", (4, 1, 12), Preprocess())
    assert source.size == 5
    np.testing.assert_array_equal(source.read(3)[:, 0], rows[3])
