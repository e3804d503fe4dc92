# SPDX-License-Identifier: Apache-2.0
"""How pixels become model input: from a file, beside the model, or from what the model's first layer says."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from mapping.importer.preprocess import Preprocess, read_preprocess, recognised
from mapping.models import model_preprocess, model_source
from pyimc.errors import ConfigError

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 2, 2) * 20


def test_a_file_says_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("scale: 1\nmean: [103.9, 116.8, 123.7]\ndeviation: 2\norder: BGR\nresize: 8\n")
    found = read_preprocess(file)
    expected = (PIXELS[::-1].astype(np.float64) - np.reshape([103.9, 116.8, 123.7], (3, 1, 1))) / 2
    assert np.allclose(found.apply(PIXELS), expected, atol=1e-4)
    assert str(found) == "pixels, less mean 103.9 116.8 123.7, over deviation 2, BGR, shorter side 8, middle cut out"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("colour: red", "colour: extra inputs are not permitted"),
        ("scale: fast\ndeviation: 0", "scale: input should be a valid number"),
        ("deviation: [1, 0, 1]", "deviation: value error, must not be 0"),
        ("order: GRB", "order"),
        ("resize: 0", "resize"),
        ("- 1", "must be a mapping with any of scale, mean, deviation, order, resize"),
        ("a: [", "not YAML"),
    ],
)
def test_a_file_with_faults(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_preprocess(tmp_path / "p.yaml")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_value_per_channel_needs_as_many_channels() -> None:
    with pytest.raises(ConfigError, match="mean has 2 values for 3 channels"):
        Preprocess(mean=(1, 2)).apply(PIXELS)


def model(op_type: str, *values: float, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """A node with constants on the input, and something after it."""
    names = [f"c{index}" for index in range(len(values))]
    constants = [
        numpy_helper.from_array(
            np.full((1, 3, 1, 1) if op_type != "BatchNormalization" else 3, value, np.float32), name
        )
        for name, value in zip(names, values, strict=True)
    ]
    nodes = [helper.make_node(op_type, ["x", *names], ["t"], name="first"), helper.make_node("Relu", ["t"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", kind, (1, 3, 4, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, 4, 4))], constants,
    )  # fmt: skip
    return helper.make_model(graph)


@pytest.mark.parametrize(
    ("made", "pixels"),
    [
        (model("Sub", 127.5), True),
        (model("Sub", 0.45), False),
        (model("Div", 255), True),
        (model("Div", 0.23), False),
        (model("Mul", 1 / 255), True),
        (model("Mul", 4.4), False),
        (model("Add", -116), True),
        (model("BatchNormalization", 1, 0, 118, 3000), True),
        (model("BatchNormalization", 1, 0, 0.4, 0.05), False),
        (model("Relu"), False),
        (model("Cast", kind=TensorProto.UINT8), True),
    ],
)
def test_a_first_layer_that_takes_pixels_is_recognised(made: onnx.ModelProto, pixels: bool) -> None:
    found = recognised(made)
    assert (found is not None) == pixels
    assert found is None or found[0] == Preprocess(scale=1)


def test_the_order_is_given_beside_built_in_recognised(tmp_path: Path) -> None:
    mine, beside = tmp_path / "mine.yaml", tmp_path / "net.preprocess.yaml"
    mine.write_text("scale: 0.5")
    beside.write_text("scale: 0.25")
    name, made = str(tmp_path / "net.onnx"), model("Sub", 127.5)
    assert model_preprocess(name, made, mine)[0].scale == 0.5
    assert model_preprocess(name, made, None)[0].scale == 0.25
    beside.unlink()
    assert model_preprocess(name, made, None) == (Preprocess(scale=1), "Sub first")
    assert model_preprocess("resnet18", made, None)[0].mean == (0.485, 0.456, 0.406)


def test_labels_come_from_folders_files_and_arrays(tmp_path: Path) -> None:
    shape, plain = (1, 4, 4), Preprocess()
    for index, name in enumerate(("cat/b.png", "cat/a.png", "dog/c.png")):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 50 * index).save(path)
    by_class = model_source("n.onnx", shape, plain, tmp_path / "images")
    assert by_class.labels == (0, 0, 1) and by_class.names == ("cat/a.png", "cat/b.png", "dog/c.png")
    assert [round(float(image.max() * 255)) for image in by_class.first(4)] == [50, 0, 100, 50]
    names, plainly = tmp_path / "names.txt", tmp_path / "plain.txt"
    names.write_text("cat/b.png 7\ndog/c.png 1\ncat/a.png 3\n")
    plainly.write_text("3\n7\n1\n")
    np.save(tmp_path / "y.npy", np.array([3, 7, 1]))
    for file in (names, plainly, tmp_path / "y.npy"):
        assert model_source("n.onnx", shape, plain, tmp_path / "images", file).labels == (3, 7, 1)
    np.savez(tmp_path / "xy.npz", x=np.zeros((3, 4, 4), np.uint8), y=np.array([[3], [7], [1]]))
    assert model_source("n.onnx", shape, plain, tmp_path / "xy.npz").labels == (3, 7, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\n2\n", "has 2 classes for 3 images"),
        ("1\n2\ndog\n", "'dog' does not end in a class"),
        ("a.png 1\nb.png 2\n", "says nothing of 1 of 3 images, c.png the first"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, text: str, says: str) -> None:
    for name in ("a", "b", "c"):
        Image.new("L", (4, 4)).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(ConfigError) as caught:
        model_source("n.onnx", (1, 4, 4), Preprocess(), tmp_path, tmp_path / "labels.txt")
    assert says in str(caught.value)
