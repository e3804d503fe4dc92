# SPDX-License-Identifier: Apache-2.0
"""Tables of costs: what is shipped, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyimc.arch import load_arch
from pyimc.energy import macro
from pyimc.energy.costs import TABLES, Costs, costs_for, load_costs
from pyimc.errors import ConfigError

NAMES = tuple(sorted(path.stem for path in TABLES.glob("*.yaml")))


def test_what_is_shipped() -> None:
    assert NAMES == ("hermes14", "isaac32", "sram28")
    for name in NAMES:
        assert load_costs(name).name == name


def test_sram_table_is_the_macro_model() -> None:
    """256 rows, a bit a cycle, 8-bit ADCs; per bit cell, column and conversion."""
    costs, whole = load_costs("sram28"), macro.Macro(analog=True, rows=256, words=256, adc_bits=8)
    energy, area, columns = whole.mvm_pj(256, 256), whole.area_um2(), 256 * 8
    assert costs.energy.conversion.values == pytest.approx({b: macro.adc_pj(b) for b in range(3, 11)}, rel=1e-5)
    assert costs.area.adc.values == pytest.approx({b: macro.adc_um2(b) for b in range(3, 11)}, rel=1e-5)
    assert costs.energy.row_drive.values == pytest.approx({b: macro.dac_pj(b) for b in (1, 2, 4, 8)})
    per_cell = (energy["multipliers"] + energy["bit_lines"]) / whole.steps / columns / 256
    assert costs.energy.cell.value == pytest.approx(per_cell)
    per_conversion = (energy["place_adders"] + energy["accumulators"]) / whole.steps / columns
    assert costs.energy.shift_add.value == pytest.approx(per_conversion)
    assert costs.area.column.value == pytest.approx((area["place_adders"] + area["accumulators"]) / columns)
    assert costs.area.site.value == pytest.approx(area["multipliers"] / columns / 256)
    select = costs.energy.select.value + 40 * costs.energy.select_per_plane.value
    assert select == pytest.approx(macro.precharge_pj(40))
    assert costs.clock_ns(load_arch("default")) == pytest.approx(whole.clock_ns())


Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t["energy"].pop("hop"), "energy.hop: Field required"),
        (lambda t: t["energy"]["hop"].pop("source"), "energy.hop.source: Field required"),
        (lambda t: t["energy"]["hop"].update(value=-1), "energy.hop.value: Input should be greater than or equal to 0"),
        (lambda t: t["energy"]["hop"].update(value=float("nan")), "energy.hop.value: Input should be"),
        (lambda t: t["energy"]["hop"].update(unit="fJ/bit"), "hop.unit is 'fJ/bit', must be 'pJ/bit'"),
        (lambda t: t["energy"].update(hops=1), "energy.hops: Extra inputs are not permitted, got 1"),
        (lambda t: t["energy"]["conversion"]["values"].update({8: -1}), "conversion.values.8: Input should be"),
        (lambda t: t.update(adc_bits=12), "energy.conversion.values: none for 12 bits, only for 3, 4, 5"),
        (lambda t: t.update(cell_bits=3), "cell_bits is 3, must be 1, 2, 4 or 8"),
    ],
)  # fmt: skip
def test_wrong_table_is_refused(edit: Edit, message: str, tmp_path: Path) -> None:
    table = yaml.safe_load((TABLES / "sram28.yaml").read_text())
    edit(table)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(table))
    with pytest.raises(ConfigError) as refusal:
        load_costs(str(path))
    assert message in str(refusal.value) and str(refusal.value).startswith(f"{path}: ")


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\n")
    with pytest.raises(ConfigError) as refusal:
        load_costs(str(path))
    missing = set(Costs.model_fields) - {"name"}
    assert all(f"{key}: Field required" in str(refusal.value) for key in missing)


@pytest.mark.parametrize(
    ("name", "says"),
    [("sram29", "use one of hermes14, isaac32, sram28"), ("list", "is a mapping"), ("broken", "not a YAML file")],
)
def test_no_table_is_refused(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "broken.yaml").write_text("a: [\n")
    where = str(tmp_path / f"{name}.yaml") if name != "sram29" else name
    with pytest.raises(ConfigError, match=says):
        load_costs(where)


def test_dac_without_cost_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"costs hermes14: energy.row_drive.values: none for 1 bits, only for 8"):
        costs_for("hermes14", load_arch("default"))
