# SPDX-License-Identifier: Apache-2.0
"""Models as PyTorch's two exporters write them (`tests/mapping/exported/export.py`), by path."""

from pathlib import Path

import numpy as np
import pytest

from mapping.importer.onnx_model import image_shape, read
from mapping.importer.quantise import quantise_whole
from mapping.importer.reference import compare
from mapping.importer.signal import fidelity
from mapping.importer.walk import Imported, import_whole

FOLDER = Path(__file__).parent / "exported"
NAMES = ("resnet", "mobilenet", "u_net", "up_scaler", "shuffled", "focus", "row", "vit", "vision")
HOSTED = {"shuffled": ["LogSoftmax"]}
"""What is left to the host, beside the shape and the scale of the result."""


def imported(file: Path) -> Imported:
    """A model from its file, every layer within a step of onnxruntime."""
    model = read(file)
    random = np.random.default_rng(1)
    images = [random.standard_normal(image_shape(model), np.float32) for _ in range(3)]
    quantised = quantise_whole(model, images)
    assert quantised.float is not None and all(link.kept for link in quantised.float.links)
    found = import_whole(quantised.model, file.stem)
    for image in images:
        assert max(each.max_lsb for each in compare(quantised.model, found.network, image)) <= 1
    inside = (
        "/blocks",
        "/order",
        "/pixels",
        ".left",
        ".right",
        "stored:one",
    )  # of one operator, which the float model knows as a whole only
    signal = fidelity(quantised, found, images).layers[1:]
    assert [each.node for each in signal] == [
        node.name for node in found.network.nodes if not node.output.endswith(inside)
    ]
    assert min(each.ratio_db for each in signal) > 20
    return found


@pytest.mark.parametrize("name", NAMES)
def test_both_exporters_give_the_same_network(name: str) -> None:
    script, dynamo = (imported(FOLDER / f"{name}_{mode}.onnx") for mode in ("script", "dynamo"))
    kinds = [[type(node) for node in each.network.nodes] for each in (script, dynamo)]
    assert kinds[0] == kinds[1]
    assert script.network.macs() == dynamo.network.macs() > 0
    for each in (script, dynamo):
        hosted = [node.op_type for node in each.tail.graph.node]
        assert [kind for kind in hosted if kind not in ("Transpose", "Reshape", "DequantizeLinear")] == HOSTED.get(
            name, []
        )
