# SPDX-License-Identifier: Apache-2.0
"""Layers that share a crossbar plane: values on both arrays, cycles of the model, and what a wrong window is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mapping.compile import compile_placed
from mapping.placement.fixed import placement_of, placement_text, replanned
from pyimc.errors import ImcError
from pyimc.network import Network
from pyimc.program import Program
from tests.cycle.equality import compare
from tests.mapping.networks import Builder, small_arch
from tests.mapping.test_codegen import check
from tests.sim.runs import assert_sound, enter, images_for, run_rtl

ARCH = small_arch()  # planes of 64 x 32, 8 ADCs
NODES = {"first": 1, "second": 1, "third": 1}
WINDOWS = {"first": [0, 27, 0], "second": [0, 37, 16], "third": [1, 10, 8]}


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)


def network() -> Network:
    """Matrices of 27 x 13 and of 26 x 8, and one of 72 x 40: two row tiles, two column tiles, a corner of 8 x 8."""
    net = Builder(6, 5, 3)
    first = net.conv("first", "x", 13)
    second = net.conv("second", first, 8, (1, 2), (1, 1), (0, 0, 0, 1))
    return net.finish(net.conv("third", second, 40))


def packed(**windows: list[int]) -> Program:
    """The network on one unit, some windows elsewhere."""
    return compile_placed(network(), ARCH, placement_of({"nodes": NODES, "windows": WINDOWS | windows}, "given"))


def test_rows_beside_rows_and_columns_beside_columns_are_right_on_rtl(tmp_path: Path) -> None:
    program = packed()
    assert {actor.name: [actor.plane, actor.row, actor.column] for actor in program.actors} == WINDOWS
    assert len(program.pus[1].weights) == 5, "one plane for two layers, four for the tiles of the third"
    plane = program.pus[1].weights[0]
    assert plane[27:54, :13].any() and plane[37:63, 16:24].any() and not plane[:27].any() and not plane[63:].any()
    check(program)
    cycles = {
        assert_sound(run_rtl(program, images_for(program, 2), tmp_path / array, array))["cycles_total"]
        for array in ("verilog", "numpy")
    }
    assert len(cycles) == 1


def test_weights_in_windows_pass_the_front_door(tmp_path: Path) -> None:
    program = packed()
    assert_sound(run_rtl(program, images_for(program, 1), tmp_path / "front", front_door=True))


def test_the_cycle_model_equals_rtl() -> None:
    compared = compare(packed(), 3)
    assert not compared.differences, "\n".join(compared.differences)
    assert compared.events > 0 and compared.words > 0


def test_windows_change_no_cycle() -> None:
    """Only the place of weights differs: streams, parameters and channels are those of planes of their own."""
    alone = compile_placed(network(), ARCH, placement_of({"nodes": NODES}, "given"))
    program = packed()
    assert len(alone.pus[1].weights) == 6 and program.channels == alone.channels
    assert program.pus[1].stream == alone.pus[1].stream
    assert [actor.cycles for actor in program.actors] == [actor.cycles for actor in alone.actors]


def test_layers_without_windows_have_planes_behind() -> None:
    windows = {name: WINDOWS[name] for name in ("first", "second")}
    program = compile_placed(network(), ARCH, placement_of({"nodes": NODES, "windows": windows}, "given"))
    assert [actor.plane for actor in program.actors] == [0, 0, 1]
    check(program)


def test_a_corner_tile_may_share_its_plane_with_a_whole_layer() -> None:
    """The last of the third layer's planes has 8 x 8 cells in use."""
    program = packed(first=[3, 0, 0], second=[2, 38, 8], third=[0, 30, 24])
    assert len(program.pus[1].weights) == 4
    check(program)


def test_a_run_leaves_its_windows() -> None:
    program = packed()
    said = yaml.safe_load(placement_text(program))
    assert said["windows"] == WINDOWS
    again = compile_placed(network(), ARCH, placement_of(said, "again"))
    assert (again.pus[1].weights == program.pus[1].weights).all() and again.actors == program.actors
    assert replanned(program, ARCH, {}).actors == program.actors
    alone = compile_placed(network(), ARCH, placement_of({"nodes": NODES}, "given"))
    assert "windows" not in yaml.safe_load(placement_text(alone))


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        ({"second": [0, 30, 8]}, "nodes first and second have windows with cells in common"),
        ({"second": [0, 39, 16]}, r"window of node second: row is 39, must be 0 to 38 for a tile of 26 rows"),
        (
            {"first": [0, 0, 17]},
            "column is 17, must be a multiple of 8, the ADCs, from 0 to 16 for a tile of 13 columns",
        ),
        ({"first": [-1, 0, 0]}, "plane is -1, must be 0 or more"),
        ({"fourth": [0, 0, 0]}, "windows: no node 'fourth' in the network"),
        ({"first": [0, 0]}, r"windows.first is \[0, 0\], must be \[plane, row, column\]"),
        ({"first": [0, True, 0]}, r"windows.first is \[0, True, 0\], must be"),
        ({"third": [62, 0, 0]}, r"PU 1 needs 66 planes, has 64"),
    ],
)
def test_wrong_windows_are_refused(windows: dict[str, list[int]], said: str) -> None:
    with pytest.raises(ImcError, match=said):
        packed(**windows)
