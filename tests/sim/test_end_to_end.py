# SPDX-License-Identifier: Apache-2.0
"""Random small networks through every level, on chips that differ in every parameter.

One way is from ONNX: quantise, import, golden model against onnxruntime, compile, RTL. The other starts from drawn
quantised networks, whose tensors may have several consumers and be outputs as well. Every value that leaves an
actor in RTL is compared with the golden model, every cycle and every flit is accounted for.

A failing example is printed by hypothesis; seeds are in the tests' names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mapping.compile import compile_network
from mapping.cuts.split import Cut, split_network
from mapping.importer.inputs import quantise_input
from mapping.importer.quantise import quantise
from mapping.importer.reference import compare
from mapping.importer.walk import import_model
from mapping.models.builder import GraphBuilder
from mapping.models.ds_cnn import separable
from mapping.models.vit_tiny import Shape, transformer
from mapping.placement.strategies import names
from pyimc.arch import Arch, arch_from_dict
from pyimc.network import Network
from sim.run.result import result
from sim.run.validation import compare_with_model
from tests.mapping.networks import Builder, moves
from tests.mapping.networks import seeded as seeded_network
from tests.mapping.test_pairwise import mobile
from tests.pyimc.networks import residual_network
from tests.random_cnn import calibration, models
from tests.random_cnn import seeded as seeded_model
from tests.sampling import seeds
from tests.sim.runs import assert_sound, enter, run_rtl


def _arch(name: str, mesh: tuple[int, int, int], crossbar: tuple[int, ...], **rest: Any) -> Arch:
    rows, columns, planes, adcs, dac_bits = crossbar
    data = {
        "name": name, "mesh": dict(zip(("columns", "rows", "fifo_depth"), mesh, strict=True)), "host": 0,
        "word_bits": 64, "packet_words": 4, "contexts": 8, "destinations": 8, "instructions": 256,
        "activation_words": 2048, "partial_words": 1024, "parameters": 1024, "output_columns": 128,
        "host_words": 256,
        "crossbar": {"rows": rows, "columns": columns, "planes": planes, "adcs": adcs, "dac_bits": dac_bits},
    }  # fmt: skip
    return arch_from_dict(data | rest, name)


CHIPS = {
    arch.name: arch
    for arch in (
        _arch("small", (3, 2, 2), (64, 32, 64, 8, 2), dpus=[4]),
        _arch("wide", (2, 2, 3), (32, 64, 64, 64, 8), dpus=[2], host=3, word_bits=128, packet_words=3, contexts=16),
        _arch("row", (5, 1, 2), (16, 16, 512, 2, 1), dpus=[1, 3], host=2, packet_words=1, activation_words=700),
        _arch("column", (1, 4, 7), (128, 16, 64, 4, 4), dpus=[0], host=1, packet_words=64, destinations=4,
              contexts=64, instructions=1000, activation_words=65535, host_words=150),
        _arch("many", (4, 3, 4), (64, 64, 16, 16, 2), dpus=[3, 5, 9], host=6, packet_words=5, contexts=5),
    )
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        enter(tmp_path_factory.mktemp("end_to_end"), patch)
        yield


def from_onnx(model: onnx.ModelProto) -> tuple[Network, NDArray[np.uint8]]:
    """Quantised and imported, every layer within one step of onnxruntime; the quantised calibration images."""
    images = calibration(model)
    quantised = quantise(model, images)
    network = import_model(quantised, "random")
    for check in compare(quantised, network, images[0]):
        assert check.max_lsb <= 1, check
    return network, np.stack([quantise_input(network, image) for image in images])


def random_images(network: Network) -> NDArray[np.uint8]:
    """Three images of a drawn network."""
    return np.random.default_rng(1).integers(0, 256, (3, *network.tensors[network.input].shape), dtype=np.uint8)


def through_the_chip(
    network: Network, images: NDArray[np.uint8], chip: str, strategy: str, slack_rows: int, grain: int | str, array: str
) -> None:
    """Compiles for a chip, runs it, and asserts that every value is right and every cycle and flit accounted for."""
    program = compile_network(network, CHIPS[chip], strategy, {"slack_rows": slack_rows, "grain": grain})
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        assert_sound(run_rtl(program, images, Path(folder), array))


GRAINS: tuple[int | str, ...] = ("row", "row", 1, 3)

ways = {
    "chip": st.sampled_from(sorted(CHIPS)),
    "strategy": st.sampled_from(names()),
    "slack_rows": st.integers(0, 2),
    "grain": st.sampled_from(GRAINS),
    "array": st.sampled_from(["verilog", "verilog", "numpy"]),
}


@settings(max_examples=10)
@given(model=models(), **ways)
def test_a_random_cnn_is_right_at_every_level(
    model: onnx.ModelProto, chip: str, strategy: str, slack_rows: int, grain: int | str, array: str
) -> None:
    through_the_chip(*from_onnx(model), chip, strategy, slack_rows, grain, array)


def _way(seed: int) -> tuple[str, str, int, int | str, str]:
    random = np.random.default_rng(seed)
    return (
        str(random.choice(sorted(CHIPS))), str(random.choice(names())), int(random.integers(0, 3)),
        GRAINS[int(random.integers(0, len(GRAINS)))], str(random.choice(["verilog", "verilog", "verilog", "numpy"])),
    )  # fmt: skip


@pytest.mark.parametrize(("chip", "grain"), [("small", "row"), ("many", 3)])
def test_a_depthwise_separable_network_is_right_at_every_level(chip: str, grain: int | str) -> None:
    graph = GraphBuilder("separable", (1, 3, 9, 8), 5)
    value = graph.conv("stem", graph.input, 3, 12, (3, 3), (2, 1), (1, 1, 1, 1))
    value = separable(graph, "block1", value, 12, 20, stride=2)
    value = separable(graph, "block2", graph.relu6("relu6", value), 20, 8)
    model = graph.finish(graph.op("GlobalAveragePool", "pool", [value]))
    through_the_chip(*from_onnx(model), chip, "lblp", 2, grain, "verilog")


def test_a_transformer_is_right_at_every_level() -> None:
    """A block between patches and classifier: every layer, product, share, norm and cycle; positions run ahead."""
    network, images = from_onnx(transformer("vit", Shape(12, 4, 12, 2, 1, 20, 3), 6))
    program = compile_network(network, CHIPS["many"], "lblp", {"slack_rows": 1})
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        run = run_rtl(program, images, Path(folder), "verilog")
        nodes = result(run)["nodes"]
    for node in network.nodes:
        assert nodes[node.name]["values_compared"] >= images.shape[0] * np.prod(network.target(node).shape), node.name
        assert nodes[node.name]["mismatches"] == 0, node.name
    assert run.measured is not None
    assert not compare_with_model(program, len(images), run.measured).differences


@pytest.mark.parametrize("chip", ["small", "many"])
def test_squeeze_and_excite_is_right_at_every_level(chip: str) -> None:
    through_the_chip(*from_onnx(mobile().finish("sum")), chip, "lblp", 1, "row", "verilog")


def u_net() -> onnx.ModelProto:
    """Down twice and up twice: halved by MaxPool, doubled by ConvTranspose, joined with what was there before."""
    graph = GraphBuilder("u_net", (1, 3, 8, 12), 3)

    def up(name: str, source: str, skip: str, cin: int, cout: int) -> str:
        weights = graph.constant(f"{name}.weight", graph.normal((cin, cout, 2, 2), cin**-0.5))
        bias = graph.constant(f"{name}.bias", graph.normal((cout,), 0.1))
        large = graph.op("ConvTranspose", name, [source, weights, bias], strides=[2, 2])
        both = graph.op("Concat", f"{name}.skip", [large, skip], axis=1)
        return graph.relu(
            f"{name}.relu", graph.conv(f"{name}.conv", both, 2 * cout, cout, (3, 3), (1, 1), (1, 1, 1, 1))
        )

    def down(name: str, source: str, cin: int, cout: int) -> str:
        value = graph.batch_norm(f"{name}.bn", graph.conv(name, source, cin, cout, (3, 3), (1, 1), (1, 1, 1, 1)), cout)
        return graph.relu(f"{name}.relu", value)

    def half(name: str, source: str) -> str:
        return graph.op("MaxPool", name, [source], kernel_shape=[2, 2], strides=[2, 2])

    large = down("one", graph.input, 3, 5)
    middle = down("two", half("half1", large), 5, 8)
    small = down("three", half("half2", middle), 8, 12)
    value = up("up2", small, middle, 12, 8)
    return graph.finish(graph.conv("classes", up("up1", value, large, 8, 5), 5, 4, (1, 1), bias=True))


def test_a_u_net_is_right_at_every_level() -> None:
    through_the_chip(*from_onnx(u_net()), "small", "lblp", 1, "row", "verilog")


@pytest.mark.parametrize("seed", seeds(4, 8, 60))
def test_a_cnn_of_a_seed_is_right_at_every_level(seed: int) -> None:
    network, images = from_onnx(seeded_model(seed))
    through_the_chip(network, images, *_way(seed))


@pytest.mark.parametrize(("chip", "slack_rows"), [("wide", 0), ("row", 1), ("column", 2)])
@pytest.mark.parametrize("network", [residual_network(), moves()], ids=["residual", "moves"])
def test_every_kind_of_node_is_right_on_the_chip(network: Network, chip: str, slack_rows: int) -> None:
    through_the_chip(network, random_images(network), chip, "lblp", slack_rows, "row", "verilog")


@pytest.mark.parametrize("chip", sorted(CHIPS))
def test_a_chain_is_right_on_every_chip(chip: str) -> None:
    net = Builder(5, 6, 4)
    value = net.chain("a", "x", 24, [(3, 3), (1, 1), (5, 3)], (1, 2))
    network = net.finish(net.chain("b", value, 8, [(1, 1), (3, 3)]), net.dense("c", value, 11))
    through_the_chip(network, random_images(network), chip, "round_robin", 1, "row", "verilog")


@pytest.mark.parametrize(
    ("cut", "chip", "grain"),
    [
        (Cut(vertical=3), "many", 2),
        (Cut(vertical=2, order="cyclic"), "small", "row"),
        (Cut(copies=2, vertical=3, order="cyclic"), "many", 2),
        (Cut(vertical=3, order="cyclic"), "many", "row"),  # nine readers of the input: through relays
        (Cut(copies=2, horizontal=2), "many", 2),
        (Cut(columns=(5, 2)), "small", "row"),
        (Cut(columns=(4, 3), vertical=3), "many", "800macs"),
    ],
)
def test_a_cut_layer_is_right_on_the_chip(cut: Cut, chip: str, grain: int | str) -> None:
    net = Builder(6, 7, 8)
    network = net.finish(net.conv("layer", "x", 16))
    through_the_chip(split_network(network, {"layer": cut}), random_images(network), chip, "lblp", 1, grain, "verilog")


@pytest.mark.parametrize(
    ("mode", "cut", "grain"), [("max", Cut(columns=(4, 3, 5)), "row"), ("average", Cut(copies=2, vertical=3), 2)]
)
def test_a_pooling_in_parts_is_right_on_the_chip(mode: Literal["max", "average"], cut: Cut, grain: int | str) -> None:
    net = Builder(6, 12, 8)
    pool = net.pool("pool", net.conv("layer", "x", 16), mode, (3, 3), (2, 2), (1, 1, 1, 1))
    network = split_network(net.finish(net.conv("last", pool, 8)), {"layer": cut})
    assert "pool/c1" in {node.name for node in network.nodes}
    through_the_chip(network, random_images(network), "many", "lblp", 1, grain, "verilog")


@pytest.mark.parametrize("grain", ["row", "500macs"])
def test_a_chip_with_even_loads_is_right(grain: str) -> None:
    net = Builder(6, 7, 8)
    network = net.finish(net.conv("small", net.conv("large", "x", 16), 8, (1, 1), pads=(0, 0, 0, 0)))
    assert compile_network(network, CHIPS["small"], "lblp_plus", {"grain": grain}).origin.options["split"]
    through_the_chip(network, random_images(network), "small", "lblp_plus", 2, grain, "verilog")


@pytest.mark.parametrize("seed", seeds(4, 8, 80))
def test_a_graph_of_a_seed_is_right_on_the_chip(seed: int) -> None:
    network = seeded_network(seed)
    through_the_chip(network, random_images(network), *_way(seed))
