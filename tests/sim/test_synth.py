# SPDX-License-Identifier: Apache-2.0
"""The synthesis flow counts what small modules have, and refuses what cannot be built."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pyimc.engines.rtl import RTL
from pyimc.errors import ConfigError
from sim.toolchain.synth import Report, main, parameter_sets, synthesise, synthesise_chip, table
from tests.mapping.networks import small_arch

BAD = {
    "latch": ("always @* if (a) q = b;", "Latch inferred"),
    "two_drivers": (
        "wire n; assign n = a; assign n = b; always @(posedge clk) q <= n;",
        "multiple conflicting drivers",
    ),
    "undriven": ("wire n; always @(posedge clk) q <= n ^ a;", "no driver"),
    "loop": ("wire n; assign n = (n & a) ^ b; always @(posedge clk) q <= n;", "logic loop"),
    "initial_value": ("initial q = 0; always @(posedge clk) q <= a;", "initial"),
    "file": ('reg m [0:3]; initial $readmemh("m.hex", m); always @(posedge clk) q <= m[{a, b}];', "$readmemh"),
    "system_function": ("always @(posedge clk) q <= $random;", "$random"),
    "missing_part": ("nothing u_nothing (.a(a)); always @(posedge clk) q <= b;", "nothing"),
}


def small(module: str, folder: Path, **parameters: int) -> Report:
    return synthesise(module, parameters, folder=folder)


def test_round_clamp_is_lanes_bytes_of_registers(tmp_path: Path) -> None:
    one, two = (small("round_clamp", tmp_path, LANES=lanes) for lanes in (1, 2))
    assert not one.faults and not two.faults
    assert (one.flip_flops, two.flip_flops) == (8 + 12, 16 + 24)  # the result, and what the second stage rounds
    assert 200 < one.area < two.area
    assert one.memory_bits == 0 and one.path_ns > 0.3


def test_small_memories_are_flip_flops_and_large_ones_stay(tmp_path: Path) -> None:
    little = small("fifo", tmp_path, WIDTH=8, DEPTH=4)
    large = small("fifo", tmp_path, WIDTH=8, DEPTH=1024)
    assert not little.faults and not large.faults
    # Words, two pointers, full and empty, the word that was read and one that passes it by with a flag.
    assert 4 * 8 + 2 + 2 + 2 + 8 + 8 <= little.flip_flops <= 4 * 8 + 2 + 2 + 2 + 8 + 8 + 3
    assert little.memory_bits == 0
    assert large.memory_bits == 1024 * 8
    assert large.flip_flops < 50


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_cannot_be_built_is_refused(name: str, tmp_path: Path) -> None:
    body, said = BAD[name]
    (tmp_path / "bad.v").write_text(f"module bad (input clk, input a, input b, output reg q);\n{body}\nendmodule\n")
    report = synthesise("bad", {}, folder=tmp_path / "build", rtl=tmp_path)
    assert any(said in fault for fault in report.faults), report.faults
    assert "FAULTS" in table([report])


def test_every_module_but_the_black_boxes_is_in_a_chip_with_all_kinds(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump(small_arch(pus={"memory": (5,)}).model_dump(mode="json")))
    modules = {module for module, _ in parameter_sets(str(file))}
    assert modules == {path.stem for path in RTL.glob("*.v")} - {"imc_array", "plane_store"}


def test_unknown_module_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="no module nonsense"):
        synthesise_chip("tiny", ["nonsense"])
    assert main(["--arch", "tiny", "nonsense"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
