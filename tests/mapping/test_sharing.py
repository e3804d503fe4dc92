# SPDX-License-Identifier: Apache-2.0
"""Windows that the compiler chooses: no two layers in one cell, no more planes than before, and room as it is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mapping.actors.graph import Graph, build_graph
from mapping.compile import compile_network, compile_placed
from mapping.placement.fixed import placement_of, placement_text
from mapping.placement.sharing import packed, shared
from mapping.placement.windows import window_faults
from pyimc.errors import CapacityError, ConfigError
from pyimc.network import Network
from pyimc.program import Program
from tests.mapping.networks import Builder, seeded, small_arch
from tests.mapping.test_codegen import check


def small_layers() -> Network:
    """Matrices of 27 x 8, 24 x 8, 8 x 24 and 24 x 16: two planes of 32 x 16 hold them, 984 of 1,024 cells."""
    net = Builder(3, 4, 3)
    first = net.conv("first", "x", 8)
    second = net.conv("second", first, 8, (1, 3), (1, 1), (0, 1, 0, 1))
    third = net.conv("third", second, 24, (1, 1), (1, 1), (0, 0, 0, 0))
    return net.finish(net.conv("fourth", third, 16, (1, 1), (1, 1), (0, 0, 0, 0)))


def compiled(planes: int, **options: str) -> Program:
    crossbar = {"rows": 32, "columns": 16, "planes": planes, "adcs": 8}
    arch = small_arch(crossbar=crossbar, dpus=[2, 3, 4, 5])
    return compile_network(small_layers(), arch, options={"packing": "windows", **options})


def test_layers_share_planes_that_they_would_not_all_find() -> None:
    program = compiled(2)
    assert len(program.pus[1].weights) == 2
    check(program)
    for refused in ({"packing": "one_per_plane"}, {}):
        with pytest.raises(CapacityError, match="planes"):
            compiled(4 if refused else 1, **refused)


def test_the_next_layer_begins_with_a_group_of_converters() -> None:
    """27 x 12 and 12 x 12 side by side, at columns 0 and 16: a group of 8 converters belongs to one layer."""
    net = Builder(3, 4, 3)
    network = net.finish(net.conv("second", net.conv("first", "x", 12), 12, (1, 1), (1, 1), (0, 0, 0, 0)))
    arch = small_arch(crossbar={"rows": 32, "columns": 32, "planes": 1, "adcs": 8}, dpus=[2, 3, 4, 5])
    program = compile_network(network, arch, options={"packing": "windows"})
    assert [(actor.plane, actor.row, actor.column) for actor in program.actors] == [(0, 0, 0), (0, 0, 16)]
    check(program)


def test_a_run_says_its_windows_and_can_be_had_again() -> None:
    program = compiled(2)
    again = compile_placed(program.network, program.arch, placement_of(dict(_yaml(program)), "again"))
    assert again.actors == program.actors and again.origin.options["packing"] == "windows"


def _yaml(program: Program) -> dict[str, object]:
    import yaml

    found: dict[str, object] = yaml.safe_load(placement_text(program))
    return found


def test_an_unknown_packing_is_refused() -> None:
    with pytest.raises(ConfigError, match="option packing is 'tight', must be one_per_plane or windows"):
        compiled(2, packing="tight")


@pytest.mark.parametrize("seed", range(20))
def test_windows_are_apart(seed: int) -> None:
    """Of a random network on one unit, checked by what checks windows by hand."""
    arch = small_arch(destinations=8)
    graph: Graph = replace(build_graph(seeded(seed), arch), packing="windows")
    names = list(graph.nodes)
    found = packed(graph, arch, {}, names)
    assert window_faults(graph, arch, found) == []
    layers = {node.weights: node.planes for node in graph.nodes.values() if node.name in found.windows}
    assert found.planes <= sum(layers.values())
    assert found == shared(reversed(list(graph.nodes.values())), arch), "their order does not matter"
