# SPDX-License-Identifier: Apache-2.0
"""Depthwise layers on either engine: the same values, the engine by hand or by what it costs, and full memories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from mapping.compile import compile_network, compile_placed
from mapping.cuts.depthwise import on_engines
from mapping.importer.kernels import ungrouped
from mapping.placement.fixed import placement_of
from mapping.placement.sized import sized
from pyimc import golden
from pyimc.arch import Arch, load_arch
from pyimc.errors import CapacityError, ConfigError
from pyimc.network import Depthwise, Mvm, Network
from pyimc.network_rules import verify
from tests.mapping.networks import Builder, imported, small_arch
from tests.program_interpreter import Interpreter


def grouped(network: Network) -> Network:
    """With every Depthwise as the Mvm that it is, zeros written out, as the importer gives it."""
    return replace(
        network, nodes=tuple(_dense(node) if isinstance(node, Depthwise) else node for node in network.nodes)
    )


def _dense(node: Depthwise) -> Mvm:
    channels = node.bias.size
    kernels = ungrouped(node.weights[:, np.newaxis].astype(np.int16), channels).transpose(0, 2, 3, 1)
    return Mvm(
        node.name, node.inputs, node.output, node.kernel, node.stride, node.pads,
        kernels.reshape(channels, node.kernel[0], -1).astype(np.int8), node.bias, node.multiplier, node.shift,
        node.input_zero_point, node.output_zero_point, node.clamp, groups=channels,
    )  # fmt: skip


def separable(channels: int = 19, blocks: int = 2) -> Network:
    """Depthwise and pointwise layers in turn."""
    net = Builder(7, 6, channels)
    value = "x"
    for block in range(blocks):
        value = net.depthwise(f"deep{block}", value, (3, 3), (1 + block % 2, 1))
        value = net.conv(f"point{block}", value, channels, (1, 1), pads=(0, 0, 0, 0))
    return net.finish(value)


def kinds(network: Network, arch: Arch, options: Mapping[str, int | str]) -> dict[str, str]:
    """The engine of every node of a Program."""
    return {actor.name: actor.kind for actor in compile_network(network, arch, options=options).actors}


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5), (5, 1)], ids=str)
def test_both_kinds_of_nodes_mean_the_same(kernel: tuple[int, int]) -> None:
    net = Builder(8, 9, 21, seed=kernel[0])
    pads = (kernel[0] // 2, kernel[1] // 2) * 2
    network = net.finish(net.depthwise("deep", "x", kernel, (2, 1), pads))
    dense = grouped(network)
    verify(dense)
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 21)).astype(np.uint8)
    one, other = (golden.run(each, image) for each in (network, dense))
    assert np.array_equal(one["deep.y"], other["deep.y"])
    (again,) = on_engines(dense, load_arch("tiny"), "dpu")[0].nodes
    assert isinstance(again, Depthwise) and np.array_equal(again.weights, network.nodes[0].weights)  # type: ignore[attr-defined]
    for limits in zip(again.accumulators(), dense.nodes[0].accumulators() or (), strict=True):
        assert np.array_equal(*limits)


@pytest.mark.parametrize("how", ["dpu", "imc", "deep1", "auto"])
def test_a_program_computes_what_golden_says(how: str) -> None:
    network = grouped(separable())
    image = np.random.default_rng(1).integers(0, 256, (7, 6, 19)).astype(np.uint8)
    program = compile_network(network, small_arch(crossbar={"planes": 40}), options={"depthwise": how})
    interpreter = Interpreter(program)
    interpreter.run([image])
    sink = program.host_sinks()[0]
    words = np.concatenate(interpreter.arrived[program.arch.host, 0]).reshape(-1)
    values = golden.run(network, image)
    rows = words.reshape(values[sink.tensor].shape[0], -1)
    wanted = values[sink.tensor].reshape(len(rows), -1)
    assert np.array_equal(rows[:, : wanted.shape[1]], wanted)


def test_the_engine_is_chosen_by_hand() -> None:
    network, arch = grouped(separable()), small_arch(crossbar={"planes": 40})
    assert {kinds(network, arch, {"depthwise": "imc"})[name] for name in ("deep0", "deep1")} == {"imc"}
    assert {kinds(network, arch, {"depthwise": "dpu"})[name] for name in ("deep0", "deep1")} == {"dpu"}
    assert kinds(network, arch, {"depthwise": "deep1"}) == {
        "deep0": "imc", "point0": "imc", "deep1": "dpu", "point1": "imc",
    }  # fmt: skip


def test_a_layer_that_the_user_cuts_stays_on_crossbars() -> None:
    """Parts of layers are for crossbars."""
    network, arch = grouped(separable()), small_arch(crossbar={"planes": 40})
    found = kinds(network, arch, {"split": "deep0:copies=2", "depthwise": "dpu"})
    assert found["deep1"] == "dpu"
    assert sum(name.startswith("deep0/") and kind == "imc" for name, kind in found.items()) == 2


def test_a_name_that_is_no_depthwise_layer_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"'point0' is no depthwise layer of .*; it is auto, dpu, imc or some of deep0"
    ):
        on_engines(grouped(separable()), load_arch("tiny"), "point0")


def test_auto_divides_layers_so_that_no_unit_has_more_to_do() -> None:
    """The bound of the largest load is below or at that of both extremes; without digital units nothing moves."""
    chosen = set()
    for blocks, adcs, dac_bits in ((2, 2, 1), (3, 32, 8), (4, 16, 2), (5, 4, 1)):
        arch = small_arch(crossbar={"planes": 64, "adcs": adcs, "dac_bits": dac_bits})
        network = grouped(separable(blocks=blocks))
        load = {
            how: compile_network(network, arch, options={"depthwise": how}).origin.bounds["load"]
            for how in ("auto", "imc", "dpu")
        }
        assert load["auto"] <= min(load["imc"], load["dpu"])
        chosen.add(on_engines(network, arch, "auto")[1].count("deep"))
    assert len(chosen) > 1
    network, how = on_engines(grouped(separable()), replace_arch(small_arch(), dpus=()), "auto")
    assert how == "imc" and isinstance(network.nodes[0], Mvm)


def replace_arch(arch: Arch, **changes: object) -> Arch:
    """An architecture with other values."""
    return Arch.model_validate({**arch.model_dump(), **changes})


def test_auto_stays_within_the_weight_memory() -> None:
    arch = small_arch(crossbar={"planes": 40, "adcs": 2, "dac_bits": 1}, weight_words=30)
    network = grouped(separable())  # 27 words a layer with words of 16 bytes or 8
    _, how = on_engines(network, arch, "auto")
    assert how in ("deep0", "deep1", "imc", "deep0;deep1")
    words = {actor.node: 0 for actor in compile_network(network, arch).actors}
    for actor in compile_network(network, arch).actors:
        words[actor.node] += actor.weights
    assert max(words.values()) <= 30


def test_a_full_weight_memory_is_refused_with_its_lever() -> None:
    network = grouped(separable())
    with pytest.raises(CapacityError, match=r"weight words: needed \d+, available 2 of 2"):
        compile_network(network, small_arch(weight_words=2), options={"depthwise": "dpu"})


def test_weights_of_several_layers_lie_one_behind_the_other() -> None:
    arch = small_arch(dpus=[2], mesh={"columns": 3, "rows": 1, "fifo_depth": 2}, crossbar={"planes": 40})
    program = compile_network(grouped(separable()), arch, options={"depthwise": "dpu"})
    one, other = (program.actor(name) for name in ("deep0", "deep1"))
    assert sorted([one.weight, other.weight]) == [0, one.weights] and one.weights == 9 * arch.words(19)


def test_the_choice_is_in_the_program_and_its_placement() -> None:
    network, arch = grouped(separable()), small_arch(crossbar={"planes": 40})
    program = compile_network(network, arch, options={"depthwise": "deep1"})
    assert program.origin.options["depthwise"] == "deep1"
    said = {"nodes": {actor.name: actor.node for actor in program.actors}, "options": {"depthwise": "deep1"}}
    again = compile_placed(network, arch, placement_of(said, "given"))
    assert [actor.kind for actor in again.actors] == [actor.kind for actor in program.actors]
    plain = Builder(4, 4, 3)
    other = compile_network(plain.finish(plain.conv("conv", "x", 5)), arch)
    assert "depthwise" not in other.origin.options


def test_a_derived_chip_has_room_on_both_kinds() -> None:
    network = imported("ds_cnn")
    for how in ("dpu", "imc"):
        compile_network(network, sized(load_arch("default"), 2, network), options={"depthwise": how})
