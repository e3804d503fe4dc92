# SPDX-License-Identifier: Apache-2.0
"""Pictures and arrays reach the model in its shape and range, and wrong ones are refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mapping.importer.inputs import PHOTO, load_inputs, quantise_input
from mapping.importer.onnx_model import image_shape
from mapping.importer.preprocess import Preprocess
from mapping.models import BUILTIN, IMAGENET, load_model, model_inputs
from pyimc.errors import ConfigError
from pyimc.network import Network, TensorType

PLAIN = Preprocess()


def test_the_photograph_gives_different_images() -> None:
    images = model_inputs("resnet18", (3, 224, 224), 8).images
    assert images.shape == (8, 3, 224, 224)
    assert images.dtype == np.float32
    assert len({image.tobytes() for image in images}) == 8
    assert np.array_equal(images[:3], model_inputs("resnet18", (3, 224, 224), 3).images)


def test_pixels_are_normalised_per_channel(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (5, 7), (255, 0, 51)).save(path)
    images = load_inputs(path, (3, 4, 2), 1, IMAGENET).images
    assert images.shape == (1, 3, 4, 2)
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    assert np.allclose(images[0], np.reshape(expected, (3, 1, 1)), atol=1e-5)


def test_a_grey_model_sees_a_grey_picture(tmp_path: Path) -> None:
    path = tmp_path / "blue.png"
    Image.new("RGB", (8, 8), (0, 0, 255)).save(path)
    assert np.allclose(load_inputs(path, (1, 8, 8), 1, PLAIN).images, 29 / 255)


def test_a_picture_of_one_pixel_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    Image.new("L", (1, 1), 128).save(path)
    assert load_inputs(path, (1, 8, 8), 3, PLAIN).images.shape == (3, 1, 8, 8)


def test_digits_come_with_their_labels_and_repeat() -> None:
    inputs = model_inputs("digits", (1, 8, 8), 400)
    assert inputs.images.shape == (400, 1, 8, 8)
    assert inputs.labels is not None
    assert set(inputs.labels) == set(range(10))
    assert inputs.labels[360:] == inputs.labels[:40]
    assert 0 <= inputs.images.min() < inputs.images.max() == 1


def test_a_model_without_pictures_gets_seeded_values() -> None:
    images = model_inputs("mlp.onnx", (7, 1, 1), 2).images
    assert images.shape == (2, 7, 1, 1)
    assert np.array_equal(images, model_inputs("mlp.onnx", (7, 1, 1), 2).images)
    assert not np.array_equal(images[0], images[1])


CHW = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "stored",
    [CHW, CHW[np.newaxis], CHW.transpose(1, 2, 0), CHW.transpose(1, 2, 0)[np.newaxis]],
    ids=["CHW", "NCHW", "HWC", "NHWC"],
)
def test_an_array_may_have_any_layout_that_fits(tmp_path: Path, stored: NDArray[np.float32]) -> None:
    np.save(tmp_path / "x.npy", stored)
    assert np.array_equal(load_inputs(tmp_path / "x.npy", (2, 3, 4), 1, IMAGENET).images, CHW[np.newaxis])


def test_an_array_of_pixels_is_normalised_and_repeats(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((2, 3, 2, 2), 51, np.uint8))
    images = load_inputs(tmp_path / "x.npy", (3, 2, 2), 5, Preprocess(mean=(0.2,), deviation=(0.5,))).images
    assert images.shape == (5, 3, 2, 2)
    assert np.allclose(images, 0, atol=1e-7)


@pytest.mark.parametrize("shape", [(6,), (1, 6), (3, 6), (1, 6, 1, 1)])
def test_vectors_may_leave_out_height_and_width(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape, np.float32))
    assert load_inputs(tmp_path / "x.npy", (6, 1, 1), 2, PLAIN).images.shape == (2, 6, 1, 1)


@pytest.mark.parametrize("shape", [(), (3, 4), (3, 2, 4), (0, 2, 3, 4), (1, 1, 2, 3, 4)])
def test_an_array_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape, np.float32))
    with pytest.raises(ConfigError, match=r"x.npy: holds shape \(.*\), the model wants \(C, H, W\) = \(2, 3, 4\)"):
        load_inputs(tmp_path / "x.npy", (2, 3, 4), 1, PLAIN)


@pytest.mark.parametrize("kind", [np.float64, np.int8, np.bool_])
def test_an_array_of_another_type_is_refused(tmp_path: Path, kind: type[np.generic]) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4), kind))
    with pytest.raises(ConfigError, match="needs float32 values or uint8 pixels"):
        load_inputs(tmp_path / "x.npy", (2, 3, 4), 1, PLAIN)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((2, 3, 4), np.nan, np.float32))
    with pytest.raises(ConfigError, match="not finite"):
        load_inputs(tmp_path / "x.npy", (2, 3, 4), 1, PLAIN)


@pytest.mark.parametrize("name", ["x.npy", "x.png", "x.jpg"])
@pytest.mark.parametrize("contents", [None, b"", b"neither picture nor array"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, contents: bytes | None) -> None:
    if contents is not None:
        (tmp_path / name).write_bytes(contents)
    with pytest.raises(ConfigError, match=r"no such file|not a picture|not a .npy file") as caught:
        load_inputs(tmp_path / name, (3, 4, 4), 1, PLAIN)
    assert "\n" not in str(caught.value)


def test_a_truncated_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(PHOTO.read_bytes()[:5000])
    with pytest.raises(ConfigError, match=r"cut.jpg: not a picture"):
        load_inputs(tmp_path / "cut.jpg", (3, 4, 4), 1, PLAIN)


def test_a_picture_for_a_model_of_other_channels_is_refused() -> None:
    with pytest.raises(ConfigError, match="a picture has 1 or 3 channels, the model wants 4"):
        load_inputs(PHOTO, (4, 8, 8), 1, PLAIN)


def test_no_images_are_refused() -> None:
    with pytest.raises(ConfigError, match="images: got 0, needs at least 1"):
        model_inputs("digits", (1, 8, 8), 0)


def test_quantising_rounds_half_to_even_and_saturates() -> None:
    network = Network("n", "x", (), {"x": TensorType(1, 5, 1, 0.5, 100)}, ())
    values = np.array([[[0.25, 0.75, -0.25, 1e9, -1e9]]], np.float32)
    result = quantise_input(network, values)
    assert result.shape == (1, 5, 1)
    assert result.reshape(-1).tolist() == [100, 102, 100, 255, 0]


def test_quantising_another_shape_is_refused() -> None:
    network = Network("n", "x", (), {"x": TensorType(1, 5, 1, 0.5, 100)}, ())
    with pytest.raises(ConfigError, match=r"network n: its input is \(C, H, W\) = \(1, 1, 5\), got \(1, 5, 1\)"):
        quantise_input(network, np.zeros((1, 5, 1), np.float32))


def test_every_builtin_has_default_inputs() -> None:
    for name in BUILTIN:
        shape = image_shape(load_model(name))
        inputs = model_inputs(name, shape, 2)
        assert inputs.images.shape == (2, *shape)
        assert not np.array_equal(*inputs.images)
        assert (inputs.labels is not None) == (name in ("digits", "mnist", "mnist_depthwise"))
