# SPDX-License-Identifier: Apache-2.0
"""chip_parameters names exactly what rtl/chip.v declares, and the linter runs over it at several architectures."""

from __future__ import annotations

import re

import pytest

from pyimc.arch import load_arch
from pyimc.engines.rtl import RTL
from pyimc.errors import ConfigError
from sim.toolchain.chip_parameters import chip_parameters, literal
from sim.toolchain.lint_rtl import jobs


def test_names_are_those_of_the_verilog() -> None:
    header = (RTL / "chip.v").read_text().split(");", 1)[0] + (RTL / "engine_parameters.vh").read_text()
    declared = re.findall(r"^\s*parameter\s+(?:\[[^]]*\]\s*)?(\w+)", header, re.MULTILINE)
    assert sorted(chip_parameters(load_arch("tiny"))) == sorted(declared)


def test_kinds_are_a_digit_for_every_node() -> None:
    assert chip_parameters(load_arch("tiny"))["KINDS"] == 0x818880


def test_wide_values_are_sized() -> None:
    assert literal("MESH_X", 40) == "40"
    assert literal("KINDS", 1 << 40) == "1024'h10000000000"


def test_chip_is_linted_at_two_or_more_parameter_sets() -> None:
    sets = [dict(parameters) for module, parameters in jobs([]) if module == "chip"]
    assert len(sets) >= 2
    assert all(one != other for i, one in enumerate(sets) for other in sets[:i])


def test_unknown_module_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such module: nonsense"):
        list(jobs(["nonsense"]))
