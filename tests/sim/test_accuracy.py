# SPDX-License-Identifier: Apache-2.0
"""The user's images, their calibration, and three accuracies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from mapping.models import load_model
from mapping.models.builder import GraphBuilder
from mapping.models.digits import TEST_SET
from sim.run.answers import OUTPUTS, accuracy
from tests.sim.runs import Said, pyimc, read_result

IMAGES = 40


def digits(folder: str) -> tuple[Path, Path]:
    """Held-out digits as pictures, and a file with their classes."""
    with np.load(TEST_SET) as stored:
        pixels, labels = stored["images"][:IMAGES], stored["labels"][:IMAGES]
    place, lines = Path(folder), []
    place.mkdir()
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        Image.fromarray(np.rint(image * (255 / 16)).astype(np.uint8)).save(place / f"{index:03}.png")
        lines.append(f"{index:03}.png {label}")
    Path("labels.txt").write_text("\n".join(lines))
    return place, Path("labels.txt")


def passed(*arguments: object) -> Said:
    said = pyimc("sim", "--arch", "tiny", *arguments)
    assert (said.code, said.err) == (0, ""), said
    return said


def test_three_accuracies_side_by_side(workspace: Path) -> None:
    onnx.save(load_model("digits"), "net.onnx")
    images, labels = digits("images")
    said = passed("--model", "net.onnx", "--input", images, "--labels", labels, "--images", "12")
    found = read_result(Path("build/net-tiny-lblp-rtl"))["accuracy"]
    assert found["golden"] == found["rtl"] and found["float"]["top1"] > 0.9 and found["rtl"]["top5"] > 0.9
    shares = [f"{found[level]['top1']:.2%}" for level in ("float", "golden", "rtl")]
    assert "top-1 of 12 images: float {}, golden {}, RTL {}".format(*shares) in said.out
    assert "12 of 40 images of images" in said.out and "calibrated on the first 32 of them (minmax)" in said.out


def test_at_level_golden_all_images_run_and_outputs_are_kept(workspace: Path) -> None:
    onnx.save(load_model("digits"), "net.onnx")
    images, labels = digits("images")
    said = passed("--model", "net.onnx", "--input", images, "--labels", labels, "--level", "golden")
    assert f"all {IMAGES} images of images" in said.out and f"top-1 of {IMAGES} images: float" in said.out
    with np.load(Path("build/net-tiny-lblp-golden") / OUTPUTS) as stored:
        (name,) = stored.files
        assert name == load_model("digits").graph.output[0].name
        assert stored[name].shape == (IMAGES, 10) and np.allclose(stored[name].sum(axis=1), 1, atol=1e-5)


def two_layers(name: str) -> str:
    graph = GraphBuilder("net", (1, 3, 16, 16), seed=1)
    first = graph.relu("r", graph.conv("c", graph.input, 3, 8, (3, 3), (1, 1), (1, 1, 1, 1), bias=True))
    onnx.save(graph.finish(graph.conv("d", first, 8, 4, (3, 3), (1, 1), (0, 0, 0, 0), bias=True)), name)
    return name


def error_of(model: str, values: np.ndarray, run: Path) -> float:
    """The largest error of a run, as a share of the span of what onnxruntime gives."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    wanted = np.concatenate([session.run(None, {entry.name: image[np.newaxis]})[0] for image in values])
    with np.load(run / OUTPUTS) as stored:
        (found,) = (stored[name] for name in stored.files)
    return float(np.abs(found - wanted).max() / np.ptp(wanted))


def test_the_users_range_is_calibrated_and_another_one_is_said(workspace: Path) -> None:
    """Half of N(0, 1) lies below zero: calibrated on 0..1 it would be cut off."""
    values = np.random.default_rng(1).standard_normal((8, 3, 16, 16)).astype(np.float32)
    np.save("normal.npy", values)
    np.save("unit.npy", np.random.default_rng(2).random((8, 3, 16, 16), dtype=np.float32))
    model = two_layers("net.onnx")
    golden = ("--model", model, "--level", "golden", "--input", "normal.npy", "--images")
    said = passed(*golden, "8", "--output", "own")
    assert "values as they are; calibrated on the first 8 of them (minmax)" in said.out and "warning" not in said.out
    assert error_of(model, values, Path("own")) < 0.05
    said = passed(*golden, "8", "--output", "others", "--calibrate", "unit.npy")
    line = next(line for line in said.out.splitlines() if line.startswith("warning: "))
    share = float(line.split()[1].rstrip("%"))
    assert 55 < share < 75 and "lie outside the calibrated range 0..1" in line, line
    assert error_of(model, values, Path("others")) > 0.2


def test_the_network_does_not_depend_on_how_many_images_run(workspace: Path) -> None:
    np.save("x.npy", np.random.default_rng(1).standard_normal((6, 3, 16, 16)).astype(np.float32))
    model = two_layers("net.onnx")
    hashes = set()
    for count in ("1", "6"):
        passed("--model", model, "--level", "golden", "--input", "x.npy", "--images", count, "--output", f"out{count}")
        hashes.add(read_result(Path(f"out{count}"))["model_sha256"])
    passed("--model", model, "--level", "golden", "--input", "x.npy", "--calibrate", "1", "--output", "one")
    assert len(hashes) == 1 and read_result(Path("one"))["model_sha256"] not in hashes


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_other_methods_of_calibration_spare_outliers(workspace: Path, method: str) -> None:
    values = np.random.default_rng(1).standard_normal((40, 3, 16, 16)).astype(np.float32)
    values[0, 0, 0, 0] = 100
    np.save("x.npy", values)
    model = two_layers("net.onnx")
    golden = ("--model", model, "--level", "golden", "--input", "x.npy", "--calibration")
    passed(*golden, "minmax", "--output", "minmax")
    said = passed(*golden, method, "--output", "other")
    assert f"({method})" in said.out
    scales = [read_result_network(Path(folder))["scale"] for folder in ("minmax", "other")]
    assert scales[1] < scales[0] / 4, "the outlier does not set the scale"


def read_result_network(folder: Path) -> dict[str, float]:
    """The input tensor of a run's network."""
    from pyimc import network_file

    network = network_file.load(folder / "program")
    return {"scale": network.tensors[network.input].scale}


def test_mistakes_of_labels_and_calibration(workspace: Path) -> None:
    images, _ = digits("images")
    Path("late.txt").write_text("\n".join(["10"] * IMAGES))
    golden = ("sim", "--arch", "tiny", "--model", "digits", "--level", "golden")
    for arguments, says in (
        (("--input", images, "--labels", "late.txt"), "labels go up to 10, output"),
        (("--labels", "late.txt"), "name these with --input"),
        (("--calibration", "guess"), "unknown calibration 'guess'; known: minmax, entropy, percentile"),
        (("--calibrate", "0"), "needs at least 1 image"),
        (("--calibrate", "nowhere"), "nowhere: no such file"),
    ):
        said = pyimc(*golden, *arguments)
        assert said.code == 2 and says in said.err and said.err.count("\n") == 1, said
    assert not list(Path("build").glob("digits*"))


def test_accuracy_by_hand() -> None:
    scores = np.eye(8, dtype=np.float32)[[0, 1, 2, 3]] + np.linspace(0.1, 0, 8, dtype=np.float32)
    found = accuracy({"y": scores}, [0, 1, 7, 0])
    assert found is not None and (found.top1, found.top5) == (0.5, 0.75)
    classes = accuracy({"y": np.array([[1], [2]], np.int64)}, [1, 3])
    assert classes is not None and (classes.top1, classes.top5) == (0.5, None)
    assert accuracy({}, [1]) is None and accuracy({"y": scores}, None) is None
