# SPDX-License-Identifier: Apache-2.0
"""The kinds of engines: their table in hardware is the generated one, and each has a digit of its own."""

from dataclasses import replace
from pathlib import Path

import pytest

from pyimc.arch import arch_from_dict, load_arch
from pyimc.engines import BUILT_IN
from pyimc.engines.rtl import RTL, digit, parameters, verilog
from pyimc.errors import ConfigError


def test_engine_v_is_what_the_engines_say() -> None:
    assert (RTL / "engine.v").read_text() == verilog(BUILT_IN.values()), "run python -m pyimc.engines"
    assert (RTL / "engine_parameters.vh").read_text() == parameters(BUILT_IN.values()), "run python -m pyimc.engines"


def test_engines_of_equal_parameters_agree_on_them(tmp_path: Path) -> None:
    file = tmp_path / "thin.v"
    file.write_text("module thin #(\n    parameter ROWS = 2\n) (\n    input  wire clk\n);\n")
    thin = replace(BUILT_IN["dpu"], kind="thin", number=5, rtl=file)
    with pytest.raises(AssertionError, match=r"thin: .*ROWS.* are not .*WEIGHTS"):
        parameters([thin])
    with pytest.raises(AssertionError, match="ROWS is 256 elsewhere"):
        parameters([*BUILT_IN.values(), replace(thin, parameters={"ROWS": lambda arch: arch.crossbar.rows})])


def test_a_further_kind_gets_a_branch_and_its_unused_outputs_are_zero(tmp_path: Path) -> None:
    file = tmp_path / "thin.v"
    file.write_text("module thin #(\n    parameter WORD = 128\n) (\n    input  wire clk,\n    output wire busy\n);\n")
    thin = replace(BUILT_IN["dpu"], kind="thin", number=5, rtl=file)
    text = verilog([*BUILT_IN.values(), thin])
    branch = text[text.index("KIND == 5") :]
    assert ".clk(clk),\n                .busy(busy)\n" in branch and ".rst(rst)" not in branch
    assert "assign freed_words = 16'd0;" in branch and "assign m_data = {WORD{1'b0}};" in branch
    assert "wire unused = &{1'b0, rst, node," in branch
    assert "must_be_one_of_8_1_3_5" in branch


def test_digits_tell_kinds_and_late_readers_apart() -> None:
    assert {kind: digit(engine) for kind, engine in BUILT_IN.items()} == {"imc": 8, "dpu": 1, "memory": 3}


def test_an_architecture_places_known_kinds_only() -> None:
    data = load_arch("tiny").model_dump(mode="json")
    assert load_arch("tiny").places("imc") == (1, 2, 3, 5) and load_arch("tiny").places("dpu") == (4,)
    with pytest.raises(ConfigError, match="pus: npu must be among memory"):
        arch_from_dict({**data, "pus": {"npu": [3]}}, "test")
