"""What a network answers: its outputs as the user's model has them, and how many of the answers are right."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimc.errors import ConfigError

OUTPUTS = "outputs.npz"
TAIL = "tail.onnx"
"""Of a run directory: what the host computes of the chip's outputs, a model of `mapping.importer.tail`."""
MANY = 5
"""Of the classes that top-5 looks at."""

LEVELS = {"float": "float", "golden": "golden", "physical": "physical golden", "rtl": "RTL"}
"""Whose answers there are, and what they are called."""

Answers = dict[str, NDArray[Any]]
"""[images, ...] by the names of the user's outputs."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of images whose class is the likeliest, or among the five likeliest; None where there are not as many."""

    top1: float
    top5: float | None


def complete(folder: Path, outputs: Sequence[NDArray[np.uint8]], images: NDArray[np.uint8]) -> Answers:
    """The host's share of a run: from what the chip sent to the outputs of the user's model.

    Args:
        folder: Of the run; without a TAIL there are no answers.
        outputs: Of the network, [images, height, width, channels] each.
        images: Likewise, the network's input.
    """
    if not (folder / TAIL).is_file() or any(len(each) != len(images) for each in outputs):
        return {}
    import onnx  # 0.1 GB that level cycle does without

    from mapping.importer.tail import Tail

    tail = Tail(onnx.load(folder / TAIL))
    found: Answers = {}
    for index, image in enumerate(images):
        for name, values in tail.run([each[index] for each in outputs], np.asarray(image)).items():
            keep(found, name, index, len(images), values)
    return found


def keep(answers: Answers, name: str, index: int, images: int, values: NDArray[Any]) -> None:
    """Adds the answer to one image, without its batch of one; of changing shape (boxes found), none is kept."""
    one = values[0] if values.ndim and values.shape[0] == 1 else values
    if index == 0:
        answers[name] = np.empty((images, *one.shape), one.dtype)
    if name in answers and answers[name].shape[1:] == one.shape:
        answers[name][index] = one
    else:
        answers.pop(name, None)


def accuracy(answers: Answers, labels: Sequence[int] | None) -> Accuracy | None:
    """How many of the first output's answers are right: scores of classes, or a class itself; None if it is neither.

    Raises:
        ConfigError: There are labels that the model has no class for.
    """
    if labels is None or not answers:
        return None
    name, values = next(iter(answers.items()))
    flat, true = values.reshape(len(values), -1), np.array(labels)
    if flat.dtype.kind in "iu" and flat.shape[1] == 1:
        return Accuracy(float(np.mean(flat[:, 0] == true)), None)
    if flat.dtype.kind != "f" or flat.shape[1] < 2:
        return None
    if true.max() >= flat.shape[1]:
        raise ConfigError(
            f"labels go up to {true.max()}, output {name} has {flat.shape[1]} values: classes count from 0"
        )
    best = np.argsort(-flat, axis=1, kind="stable")[:, :MANY]
    hits = best == true[:, np.newaxis]
    return Accuracy(float(np.mean(hits[:, 0])), float(np.mean(hits.any(axis=1))) if flat.shape[1] > MANY else None)


def save(path: Path, answers: Answers) -> None:
    """Writes a `.npz` file, in one step; the same answers give the same bytes."""
    scratch = path.with_name(f".{path.name}")
    with zipfile.ZipFile(scratch, "w") as archive:
        for name, values in answers.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    scratch.replace(path)


def lines(report: dict[str, Any], images: int) -> list[str]:
    """The accuracies side by side, as `result.json` has them."""
    found = []
    for figure, title in (("top1", "top-1"), ("top5", f"top-{MANY}")):
        shares = [
            f"{level} {each[figure]:.2%}"
            for level, each in ((LEVELS[name], each) for name, each in report.items())
            if each and each[figure] is not None
        ]
        if shares:
            found.append(f"{title} of {images} images: {', '.join(shares)}")
    return found
