# SPDX-License-Identifier: Apache-2.0
"""Models of several inputs: sent as one map, answers are those of the given model, and what is missing is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mapping.importer.exported import bound
from mapping.importer.joined import parts
from mapping.importer.onnx_model import session
from pyimc import golden
from pyimc.errors import ConfigError, UnsupportedOperator
from pyimc.network import Mvm
from sim.cli import main
from sim.run.prepare import prepare

SIZE = (6, 5)


def model(other: tuple[int, ...] = (1, 2, *SIZE)) -> onnx.ModelProto:
    """The sum of layers on two inputs."""
    random = np.random.default_rng(1)
    constants = {
        "l": random.normal(0, 0.3, (4, 3, 3, 3)), "r": random.normal(0, 0.5, (4, 2, 1, 1)),
        "e": random.normal(0, 0.5, (3, 4, 1, 1)),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["image", "l"], ["left"], "left", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["second", "r"], ["right"], "right"),
        helper.make_node("Add", ["left", "right"], ["sum"], "sum"),
        helper.make_node("Conv", ["sum", "e"], ["y"], "end"),
    ]
    sizes = {"image": (1, 3, *SIZE), "second": other}
    entries = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items()]
    stored = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in constants.items()]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, *SIZE))
    graph = helper.make_graph(nodes, "two", entries, [result], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def _stored(folder: Path, **changes: np.ndarray | None) -> Path:
    random = np.random.default_rng(0)
    arrays = {name: random.normal(0, 1, (4, channels, *SIZE)).astype(np.float32)
              for name, channels in (("image", 3), ("second", 2))}  # fmt: skip
    chosen = {name: values for name, values in {**arrays, **changes}.items() if values is not None}
    np.savez(folder / "inputs.npz", **chosen)  # type: ignore[arg-type]
    return folder / "inputs.npz"


def _written(folder: Path) -> str:
    onnx.save(model(), folder / "two.onnx")
    return str(folder / "two.onnx")


def test_it_computes_what_the_given_model_computes() -> None:
    given, one = model(), bound(model(), {})
    assert [value.name for value in one.graph.input] == ["image+second"] and parts(one) == {"image": 3, "second": 2}
    sides = [np.random.default_rng(0).normal(0, 1, (1, channels, *SIZE)).astype(np.float32) for channels in (3, 2)]
    wanted = session(given).run(None, {"image": sides[0], "second": sides[1]})[0]
    found = session(one).run(None, {"image+second": np.concatenate(sides, axis=1)})[0]
    assert np.array_equal(wanted, found)


def test_from_files_to_golden(tmp_path: Path) -> None:
    found = prepare(_written(tmp_path), 2, _stored(tmp_path))
    assert found.network.tensors[found.network.input].shape == (*SIZE, 5)
    assert [type(node) for node in found.network.nodes][:2] == [Mvm, Mvm]  # each input's channels
    assert max(check.max_lsb for check in found.checks) <= 1
    assert len(np.unique(golden.run(found.network, found.images[0])[found.network.outputs[0]])) > 1


def test_without_a_file_values_are_drawn(tmp_path: Path) -> None:
    assert prepare(_written(tmp_path), 1, None).images.shape == (1, *SIZE, 5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"second": None}, "holds image, not second; the model has the inputs image, second; write an array of each"),
        ({"second": np.zeros((3, 2, *SIZE), np.float32)}, "holds image 4, second 3 images; every input needs as many"),
        ({"second": np.zeros((4, 2, *SIZE), np.uint8)}, "several inputs are float32 values"),
        ({"second": np.zeros((4, 3, *SIZE), np.float32)}, "the model wants (C, H, W) = (2, 6, 5)"),
        ({"second": np.full((4, 2, *SIZE), np.nan, np.float32)}, "not finite"),
    ],
)
def test_a_file_that_does_not_match_is_one_line(
    changes: dict[str, np.ndarray | None], said: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = _stored(tmp_path, **changes)
    output = ["--output", str(tmp_path / "out")]
    assert main(["sim", "--model", _written(tmp_path), "--input", str(path), "--level", "golden", *output]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and not (tmp_path / "out").exists()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 5, *SIZE), np.float32))
    with pytest.raises(ConfigError, match=r"x\.npy: the model has the inputs image, second; write an array of each"):
        prepare(_written(tmp_path), 1, tmp_path / "x.npy")


def test_inputs_of_several_sizes_are_refused() -> None:
    with pytest.raises(UnsupportedOperator, match=r"its inputs are image \(1, 3, 6, 5\), second \(1, 2, 6, 4\);"):
        bound(model((1, 2, 6, 4)), {})


def test_what_is_not_read_does_not_matter() -> None:
    given = model()
    given.graph.input.append(helper.make_tensor_value_info("third", TensorProto.FLOAT, (1, 1, *SIZE)))
    assert parts(bound(given, {})) == {"image": 3, "second": 2, "third": 1}
