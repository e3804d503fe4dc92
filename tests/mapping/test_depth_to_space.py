# SPDX-License-Identifier: Apache-2.0
"""DepthToSpace, SpaceToDepth and ConvTranspose against onnxruntime."""

from typing import Any

import numpy as np
import onnx
import pytest

from mapping.importer.inputs import quantise_input
from mapping.importer.onnx_model import feed, session
from mapping.importer.quantise import quantise
from mapping.importer.reference import compare
from mapping.importer.walk import import_model
from mapping.models.builder import GraphBuilder
from pyimc import golden
from pyimc.errors import UnsupportedOperator
from pyimc.network import Crop, DepthToSpace, Mvm, Network, Node
from tests.mapping.onnx_writer import Quantised, check, qdq_conv
from tests.random_cnn import calibration


def kinds(network: Network) -> list[type[Node]]:
    """Of its nodes, in order."""
    return [type(node) for node in network.nodes]


def transposed(kernel: tuple[int, ...], outputs: int = 6, **attributes: Any) -> onnx.ModelProto:
    """A layer, a ConvTranspose with a bias, a normalisation and a Relu; of a row if the kernel has one side."""
    size = (5, 6)[-len(kernel) :]
    graph = GraphBuilder("net", (1, 4, *size), seed=1)
    first = graph.constant("first.weight", graph.normal((8, 4, *[1] * len(kernel)), 0.5))
    value = graph.relu("relu", graph.op("Conv", "first", [graph.input, first]))
    weights = graph.normal((8, outputs // attributes.get("group", 1), *kernel), 0.2)
    constants = [graph.constant("up.weight", weights), graph.constant("up.bias", graph.normal((outputs,), 0.3))]
    value = graph.op("ConvTranspose", "up", [value, *constants], **attributes)
    return graph.finish(graph.relu("last", graph.batch_norm("bn", value, outputs)))


@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        ((2, 2), {"strides": [2, 2]}),  # U-Net
        ((3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
        ((4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 2}),  # DCGAN, in groups
        ((4, 5), {"strides": [2, 3], "pads": [1, 1, 1, 1], "group": 2}),
        ((3, 4), {"strides": [1, 2], "pads": [0, 1, 1, 1]}),
        ((2, 2), {"strides": [2, 2], "dilations": [3, 3]}),
        ((2, 2), {"strides": [4, 4], "output_padding": [2, 2]}),  # pixels that no weight meets
        ((2, 2), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),  # fewer blocks than pixels
        ((4,), {"strides": [2], "pads": [1, 1]}),
    ],
)
def test_a_transposed_convolution_is_a_layer_and_a_move(kernel: tuple[int, ...], attributes: dict[str, Any]) -> None:
    model = transposed(kernel, **attributes)
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert kinds(network) == [Mvm, Mvm, DepthToSpace]
    check(quantised, network)


@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        ((3, 3), {"strides": [2, 2]}),
        ((3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),  # a row and a column less than twice as many
        ((2, 4), {"strides": [3, 2], "pads": [0, 0, 0, 1]}),
        ((5,), {"strides": [4]}),
    ],
)
def test_a_result_of_no_whole_blocks_is_cut(kernel: tuple[int, ...], attributes: dict[str, Any]) -> None:
    model = transposed(kernel, **attributes)
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert kinds(network) == [Mvm, Mvm, DepthToSpace, Crop]
    check(quantised, network)


def test_without_a_stride_it_is_a_layer() -> None:
    model = transposed((3, 3), pads=[1, 1, 1, 1])
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert kinds(network) == [Mvm, Mvm]
    check(quantised, network)


def test_a_normalisation_goes_into_the_weights_of_every_group() -> None:
    """Integers are all that is left between the float model and golden: a wrong factor would be far off."""
    model = transposed((2, 2), strides=[2, 2], group=2)
    images = calibration(model, 3)
    network = import_model(quantise(model, images), "net")
    for image in images:
        (wanted,) = session(model).run(None, feed(model, image))
        found = golden.run(network, quantise_input(network, image))[network.outputs[0]]
        kind = network.tensors[network.outputs[0]]
        real = (found.astype(np.float64) - kind.zero_point) * kind.scale
        assert np.abs(real.transpose(2, 0, 1) - wanted[0]).max() < 6 * kind.scale


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strides": [2, 2], "auto_pad": "SAME_UPPER"}, "auto_pad=SAME_UPPER (only NOTSET and VALID)"),
        ({"strides": [2, 2], "output_shape": [10, 12]}, "output_shape is given (only pads and output_padding)"),
    ],
)
def test_other_transposed_convolutions_are_refused(changes: dict[str, Any], message: str) -> None:
    model = transposed((3, 3), **changes)
    with pytest.raises(UnsupportedOperator, match="ConvTranspose: ") as caught:
        quantise(model, calibration(model))
    assert message in str(caught.value)


def _moved(mode: str, *, layer: bool) -> onnx.ModelProto:
    """Something on 12 channels, which become pixels, and a layer on those."""
    graph = GraphBuilder("net", (1, 12, 3, 4), seed=1)
    value = graph.conv("first", graph.input, 12, 12, (3, 3), pads=(1, 1, 1, 1)) if layer else graph.input
    value = graph.op("DepthToSpace", "move", [value], blocksize=2, mode=mode)
    return graph.finish(graph.conv("last", value, 3, 5, (3, 3)))


@pytest.mark.parametrize(("mode", "before"), [("DCR", []), ("CRD", [Mvm])])
def test_channels_become_pixels(mode: str, before: list[type]) -> None:
    model = _moved(mode, layer=False)
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert kinds(network) == [*before, DepthToSpace, Mvm]
    check(quantised, network)


def test_pixels_become_channels() -> None:
    graph = GraphBuilder("net", (1, 3, 6, 4), seed=1)
    value = graph.relu("relu", graph.conv("first", graph.input, 3, 5, (1, 1)))
    value = graph.op("SpaceToDepth", "move", [value], blocksize=2)
    model = graph.finish(value, graph.conv("last", graph.relu("more", value), 20, 4, (1, 1)))
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert {node.name for node in network.nodes} >= {"first", "move", "last"}
    for image in calibration(model):
        assert not compare(quantised, network, image)[2].max_lsb  # moved, and not computed
    check(quantised, network)


def test_integers_of_other_tools_are_moved_as_well() -> None:
    write = Quantised((1, 2, 4, 5))
    first = write.qdq("c", qdq_conv(write, "first", write.qdq("x", "image", 0.02, 128), 8, 2), 0.05, 100)
    weights = np.random.default_rng(1).integers(0, 256, (8, 3, 2, 2))
    stored = write.constant(weights, np.uint8)
    kernel = write.op(
        "DequantizeLinear", "k", stored, *write.scale([0.001, 0.002, 0.003], [99, 128, 7], np.uint8), axis=1
    )
    up = write.qdq("u", write.op("ConvTranspose", "up", first, kernel, strides=[2, 2]), 0.03, 120)
    deep = write.op("SpaceToDepth", "deep", up, blocksize=2)
    back = write.op("DepthToSpace", "back", write.qdq("d", deep, 0.03, 120), blocksize=2, mode="CRD")
    model = write.model(write.qdq("y", back, 0.03, 120))
    check(model, import_model(model, "net"))


def test_a_part_of_what_was_moved_is_copied() -> None:
    """Channels of the result lie scattered over those of the source, so nothing before can compute them alone."""
    graph = GraphBuilder("net", (1, 2, 4, 4), seed=1)
    value = graph.op("DepthToSpace", "move", [graph.conv("first", graph.input, 2, 16, (1, 1))], blocksize=2)
    near, far = graph.split("split", value, (1, 3))
    model = graph.finish(graph.conv("a", near, 1, 2, (1, 1)), graph.conv("b", far, 3, 2, (1, 1)))
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert [type(node) for node in network.nodes].count(DepthToSpace) == 1
    check(quantised, network)


@pytest.mark.parametrize(
    ("inner", "order", "found", "nodes"),
    [
        ((1, 2, 2, 3, 6, 4), (0, 3, 4, 1, 5, 2), (1, 3, 12, 8), [Mvm, DepthToSpace]),  # DCR
        ((1, 3, 2, 2, 6, 4), (0, 1, 4, 2, 5, 3), (1, 3, 12, 8), [Mvm, Mvm, DepthToSpace]),  # CRD, PixelShuffle
        ((1, 12, 3, 2, 2, 2), (0, 1, 3, 5, 2, 4), (1, 48, 3, 2), [Mvm, Mvm]),  # PixelUnshuffle
        ((1, 12, 3, 2, 2, 2), (0, 3, 5, 1, 2, 4), (1, 48, 3, 2), [Mvm, Mvm]),  # SpaceToDepth
    ],
)
def test_blocks_that_are_written_as_shapes(
    inner: tuple[int, ...], order: tuple[int, ...], found: tuple[int, ...], nodes: list[type]
) -> None:
    graph = GraphBuilder("net", (1, 3, 6, 4), seed=1)
    shapes = [graph.constant(name, np.array(shape)) for name, shape in (("inner", inner), ("found", found))]
    apart = graph.op("Reshape", "apart", [graph.conv("first", graph.input, 3, 12, (1, 1)), shapes[0]])
    turned = graph.op("Transpose", "turned", [apart], perm=order)
    model = graph.finish(graph.op("Reshape", "back", [turned, shapes[1]]))
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert kinds(network) == nodes
    check(quantised, network)


def test_a_move_that_is_no_block_is_refused() -> None:
    graph = GraphBuilder("net", (1, 3, 6, 4), seed=1)
    shapes = [
        graph.constant(name, np.array(shape))
        for name, shape in (("inner", (1, 12, 2, 3, 2, 2)), ("found", (1, 48, 3, 2)))
    ]
    apart = graph.op("Reshape", "apart", [graph.conv("first", graph.input, 3, 12, (1, 1)), shapes[0]])
    turned = graph.op("Transpose", "turned", [apart], perm=(0, 1, 2, 5, 3, 4))
    value = graph.op("Reshape", "back", [turned, shapes[1]])
    model = graph.finish(graph.conv("last", value, 48, 4, (1, 1)))
    with pytest.raises(UnsupportedOperator, match="Reshape: shape"):
        quantise(model, calibration(model))
