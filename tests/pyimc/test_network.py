# SPDX-License-Identifier: Apache-2.0
"""A network is verified before anything is made of it, and its files are the same bytes every time."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimc.errors import ConfigError, EncodingError
from pyimc.network import (
    Add,
    Concat,
    Crop,
    DepthToSpace,
    Lut,
    Mvm,
    Network,
    Node,
    Pool,
    Resize,
    TensorType,
    valid_counts,
)
from pyimc.network_file import ARRAYS, STRUCTURE, load, save
from pyimc.network_rules import verify
from tests.mapping.networks import Builder
from tests.pyimc.networks import residual_network


def test_the_example_is_well_formed() -> None:
    verify(residual_network())


def test_shapes_and_work() -> None:
    network = residual_network()
    shapes = [node.shape(network.sources(node)) for node in network.nodes]
    assert shapes[:5] == [(5, 4, 3), (5, 4, 3), (3, 4, 3), (2, 2, 3), (1, 1, 5)]
    assert shapes[5:] == [(5, 4, 3), (5, 4, 6), (5, 8, 3), (10, 8, 6), (20, 8, 3), (2, 2, 6)]
    assert [node.macs(network.sources(node)) for node in network.nodes] == [
        5 * 4 * 3 * 27,
        0,
        0,
        0,
        60,
        0,
        0,
        0,
        0,
        0,
        0,
    ]


def test_valid_counts_of_an_asymmetrically_padded_window() -> None:
    counts = valid_counts((3, 2), (2, 3), (2, 1), (1, 2, 0, 1))
    assert counts.tolist() == [[1, 2, 2], [2, 4, 4]]


def _with(index: int, **changes: Any) -> Callable[[Network], Network]:
    def change(network: Network) -> Network:
        nodes = list(network.nodes)
        nodes[index] = replace(nodes[index], **changes)
        return replace(network, nodes=tuple(nodes))

    return change


def _typed(name: str, kind: TensorType) -> Callable[[Network], Network]:
    return lambda network: replace(network, tensors=network.tensors | {name: kind})


WRONG: dict[str, Callable[[Network], Network]] = {
    "node conv: input sum is not computed before it": _with(0, inputs=("sum",)),
    "node conv: tensor nowhere has no type": _with(0, inputs=("nowhere",)),
    "node conv: has 3 inputs, needs 1": _with(0, inputs=("image", "image", "image")),
    "node max: has 2 inputs, needs 1": _with(2, inputs=("sum", "sum")),
    "node conv: input image is not a partial map": _with(0, inputs=("image", "image")),
    "node add: has 1 inputs, needs 2": _with(1, inputs=("image",)),
    "node add: a second node of this name": _with(2, name="add"),
    "output image is computed twice": _with(0, output="image"),
    "weights must be int8": _with(0, weights=np.zeros((3, 3, 9), np.int16)),
    r"weights are \(3, 3, 8\), must be \(3, 3, 9\)": _with(0, weights=np.zeros((3, 3, 8), np.int8)),
    "one value per output channel": _with(0, shift=np.ones(2, np.uint8)),
    r"a multiplier is outside 0..2\*\*31-1": _with(0, multiplier=np.full(3, -1, np.int32)),
    "a shift is outside 1..62": _with(0, shift=np.zeros(3, np.uint8)),
    r"a multiplier is outside 0\.\.2": _with(1, multipliers=(2**31, 0)),
    "node add: a shift is outside": _with(1, shift=63),
    "conv: the accumulator can reach": _with(0, bias=np.full(3, 2**31 - 1, np.int32)),
    "must be ordered": _with(0, clamp=(9, 8)),
    "within 0..255": _with(1, clamp=(0, 256)),
    "input zero points .* are not those of its inputs": _with(1, input_zero_points=(10, 8)),
    "output zero point 11 is not that of its output": _with(0, output_zero_point=11),
    "are not possible": _with(2, stride=(0, 1)),
    "does not fit the padded map": _with(3, kernel=(9, 9), multipliers=np.zeros(82, np.int32)),
    r"multipliers must be int32 \[3\]": _with(2, multipliers=np.zeros(4, np.int32)),
    "a window lies wholly in the padding": _with(2, pads=(0, 0, 3, 0)),
    r"node curve: table must be uint8 \[256\]": _with(5, table=np.zeros(255, np.uint8)),
    "node stack: has 1 inputs, needs 2": _with(6, inputs=("sum",)),
    "node stack: its two inputs differ in more than channels": _with(6, inputs=("curved", "peak")),
    "node extend: its two inputs differ in more than columns": _with(7, inputs=("image", "stacked")),
    "node extend: input zero points": _with(7, input_zero_points=(20, 7)),
    "node stack: a shift is outside": _with(6, shift=0),
    "node enlarge: factor 1 must be 2 or more": _with(8, factor=1),
    "node enlarge: its input and output differ in scale": _typed("large", TensorType(10, 8, 6, 0.2, 30)),
    r"computes \(5, 4, 3\) but conv_out is \(5, 4, 4\)": _typed("conv_out", TensorType(5, 4, 4, 0.1, 10)),
    "tensor image: shape .* must be positive": _typed("image", TensorType(5, 0, 3, 0.5, 7)),
    "tensor image: zero point 256": _typed("image", TensorType(5, 4, 3, 0.5, 256)),
    "tensor image: scale 0.0": _typed("image", TensorType(5, 4, 3, 0.0, 7)),
    "tensor spare is not computed": _typed("spare", TensorType(1, 1, 1, 1.0, 0)),
    "output spare is not computed": lambda network: replace(network, outputs=("spare",)),
    "node add: input conv_out is a partial map": _typed("conv_out", TensorType(5, 4, 3, 1.0, 0, partial=True)),
    "node add: output sum is a partial map": _typed("sum", TensorType(5, 4, 3, 1.0, 0, partial=True)),
    "; image is a partial map, which stays between": _typed("image", TensorType(5, 4, 3, 0.5, 7, partial=True)),
    "; logits is a partial map, which stays between": _typed("logits", TensorType(1, 1, 5, 1.0, 1, partial=True)),
    "logits: scale 1.0 and zero point 1 must be 1.0 and 0": _typed("logits", TensorType(1, 1, 5, 1.0, 1, partial=True)),
    "there is no output": lambda network: replace(network, outputs=()),
    "input spare has no type": lambda network: replace(network, input="spare"),
}


def chain() -> Network:
    """A partial map between two layers on one input."""
    net = Builder(4, 5, 3)
    return net.finish(net.chain("conv", "x", 8, [(3, 3), (1, 1)]))


WRONG_CHAIN: dict[str, Callable[[Network], Network]] = {
    r"node conv.1: input conv.0.y is \(4, 5, 7\), must be \(4, 5, 8\)": _typed(
        "conv.0.y", TensorType(4, 5, 7, 1.0, 0, partial=True)
    ),
    "node conv.0: its output is partial: multiplier": _with(0, multiplier=np.ones(8, np.int32)),
    "node conv.0: its output is partial: .*, shift": _with(0, shift=np.full(8, 2, np.uint8)),
    "node conv.0: its output is partial: .* clamp": _with(0, clamp=(0, 254)),
    "node conv.1: input x is not a partial map": _with(1, inputs=("x", "x")),
    "node conv.1: input conv.0.y is a partial map": _with(1, inputs=("conv.0.y", "conv.0.y")),
    "tensor conv.0.y: scale 1.0 and zero point 3": _typed("conv.0.y", TensorType(4, 5, 8, 1.0, 3, partial=True)),
}


@pytest.mark.parametrize("message", WRONG_CHAIN)
def test_every_fault_of_a_chain_is_named(message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        verify(WRONG_CHAIN[message](chain()))


def test_the_accumulators_of_a_chain_fit_32_bits_together() -> None:
    """Weights of 1 and 0: the first reaches 27 * 255 plus its bias, the second its bias; per channel, not of all."""
    network = chain()
    for index, weight in enumerate((1, 0)):
        network = _with(index, weights=np.full_like(network.nodes[index].weights, weight))(network)  # type: ignore[attr-defined]
    biases = np.array([[2**31 - 1 - 27 * 255 - 100, 0], [100, 2**31 - 1]]).repeat((1, 7), axis=1).astype(np.int32)
    biases[1, 1:] -= 27 * 255
    fitting = _with(1, bias=biases[1])(_with(0, bias=biases[0])(network))
    verify(fitting)
    with pytest.raises(ConfigError, match=r"node conv.1: the accumulator can reach \S+..2147483648, which needs more"):
        verify(_with(1, bias=biases[1] + np.eye(1, 8, dtype=np.int32)[0])(fitting))


@pytest.mark.parametrize("message", WRONG)
def test_every_fault_is_named(message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        verify(WRONG[message](residual_network()))


def test_all_faults_are_reported_on_one_line() -> None:
    network = _with(1, shift=0)(_with(0, clamp=(9, 8))(residual_network()))
    with pytest.raises(ConfigError, match=r"node conv: clamp .*; node add: a shift") as caught:
        verify(network)
    assert "\n" not in str(caught.value)


def same(left: Network, right: Network) -> bool:
    """Whether two networks are equal, arrays included with their dtypes."""

    def flat(node: Node) -> list[Any]:
        values = [getattr(node, field.name) for field in fields(node)]
        return [(value.dtype, value.tolist()) if isinstance(value, np.ndarray) else value for value in values]

    heads = [(each.name, each.input, each.outputs, each.tensors, each.host_tail) for each in (left, right)]
    kinds = [[type(node) for node in each.nodes] for each in (left, right)]
    return heads[0] == heads[1] and kinds[0] == kinds[1] and list(map(flat, left.nodes)) == list(map(flat, right.nodes))


def test_files_hold_all_of_a_network(tmp_path: Path) -> None:
    network = residual_network()
    assert {type(node) for node in network.nodes} == {Mvm, Add, Pool, Concat, Lut, Resize, DepthToSpace, Crop}
    for each in (chain(), network):
        save(each, tmp_path)
        assert same(load(tmp_path), each)
    assert not same(load(tmp_path), residual_network(seed=2))


def test_the_same_network_is_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        save(residual_network() if name == "one" else load(tmp_path / "one"), tmp_path / name)
        contents.append([(tmp_path / name / file).read_bytes() for file in (STRUCTURE, ARRAYS)])
    assert contents[0] == contents[1]


@pytest.mark.parametrize("file", [STRUCTURE, ARRAYS])
@pytest.mark.parametrize("keep", [None, 0, 100])
def test_a_missing_or_truncated_file_is_refused(tmp_path: Path, file: str, keep: int | None) -> None:
    save(residual_network(), tmp_path)
    if keep is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:keep])
    with pytest.raises(EncodingError, match=r"not a saved network .*compile the model again"):
        load(tmp_path)


def test_a_flipped_bit_of_an_array_is_refused(tmp_path: Path) -> None:
    save(residual_network(), tmp_path)
    contents = bytearray((tmp_path / ARRAYS).read_bytes())
    position = contents.index(residual_network().nodes[0].weights.tobytes())  # type: ignore[attr-defined]
    contents[position] ^= 1
    (tmp_path / ARRAYS).write_bytes(contents)
    with pytest.raises(EncodingError, match="CRC"):
        load(tmp_path)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    save(residual_network(), tmp_path)
    text = (tmp_path / STRUCTURE).read_text(encoding="utf-8")
    (tmp_path / STRUCTURE).write_text(text.replace('"schema_version": 2', '"schema_version": 3'), encoding="utf-8")
    with pytest.raises(EncodingError, match="schema version 3, this is 2"):
        load(tmp_path)


def test_weights_between_groups_are_refused() -> None:
    """Three channels in and out of `conv`: one each."""
    network = residual_network()
    weights = network.nodes[0].weights.reshape(3, 3, 3, 3)  # type: ignore[attr-defined]
    own = (weights * np.eye(3, dtype=np.int8)[:, np.newaxis, np.newaxis, :]).reshape(3, 3, 9)
    verify(_with(0, weights=own, groups=3)(network))
    for groups, message in ((3, "conv: a weight between groups is not 0"), (2, "2 groups do not divide 3 input and 3")):
        with pytest.raises(ConfigError, match=message):
            verify(_with(0, groups=groups)(network))
