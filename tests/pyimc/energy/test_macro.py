# SPDX-License-Identifier: Apache-2.0
"""The macro model gives the published figures of ZigZag-IMC to all digits."""

from __future__ import annotations

import pytest

from pyimc.energy import macro
from pyimc.energy.macro import Macro
from pyimc.errors import ConfigError

ANALOG = Macro(analog=True, rows=128, words=128, serial_bits=2, adc_bits=8)
DIGITAL = Macro(analog=False, rows=128, words=128)


def _close(value: float) -> object:
    """Equal but for the order in which floating-point terms are added."""
    return pytest.approx(value, rel=1e-14)


def test_analog_macro() -> None:
    assert ANALOG.clock_ns() == _close(14.07244)
    assert sum(ANALOG.area_um2().values()) / 1e6 == _close(2.2878123152749223)


def test_digital_macro() -> None:
    assert DIGITAL.clock_ns() == _close(3.75708)
    assert sum(DIGITAL.area_um2().values()) / 1e6 == _close(0.8018113024)


def test_analog_macro_in_full_use() -> None:
    energy = ANALOG.mvm_pj(128, 128)
    per_mac_fj = 1000 * sum(energy.values()) / 128**2
    assert round(per_mac_fj) == 208
    assert round(2000 / per_mac_fj, 1) == 9.6
    assert round(energy["adcs"] / sum(energy.values()), 2) == 0.84


def test_converters() -> None:
    energy = [0.2431, 0.3242, 0.4058, 0.4893, 0.5803, 0.7011, 0.9413, 1.6593]
    area = [99.6, 183.0, 336.2, 617.7, 1134.8, 2084.7, 3829.7, 7035.6]
    assert [round(macro.adc_pj(bits), 4) for bits in range(3, 11)] == energy
    assert [round(macro.adc_um2(bits), 1) for bits in range(3, 11)] == area
    assert [round(macro.adc_ns(bits, 256), 2) for bits in range(4, 9)] == [9.25, 11.56, 13.87, 16.18, 18.49]
    assert (macro.adc_pj(0), macro.adc_um2(0), macro.adc_um2(1), macro.adc_ns(0, 256)) == (0, 0, 0, 0)


def test_gates() -> None:
    energies = [macro.ADDER_PJ, macro.HALF_ACTIVE_ADDER_PJ, macro.MULTIPLIER_PJ, macro.REGISTER_PJ, macro.dac_pj(2)]
    assert energies == pytest.approx([3.402e-3, 1.701e-3, 0.2835e-3, 1.701e-3, 0.081], rel=1e-14)
    assert pytest.approx([3.684, 4.7892], rel=1e-14) == [macro.REGISTER_UM2, macro.ADDER_UM2]
    assert macro.dac_pj(1) == macro.precharge_pj(1) == 0
    assert macro.precharge_pj(4) == _close(1.75 * 0.81e-3)


def test_part_use_of_an_analog_macro() -> None:
    """DACs follow the rows; ADCs, adders and bit lines the words; multipliers the rows, of all words."""
    full, part = ANALOG.mvm_pj(128, 128), ANALOG.mvm_pj(32, 64)
    share = {name: part[name] / energy for name, energy in full.items() if energy}
    assert share == {
        "dacs": 1 / 4, "adcs": 1 / 2, "multipliers": 1 / 4, "bit_lines": 1 / 2, "place_adders": 1 / 2,
        "accumulators": 1 / 2,
    }  # fmt: skip


@pytest.mark.parametrize("used", [1, 2, 3, 63, 64, 65, 100, 127, 128])
def test_adder_tree_in_part_use(used: int) -> None:
    """Counted adder by adder: level by level, operands that are used or not."""
    full = half = 0
    inputs = [index < used for index in range(128)]
    for level in range(7):
        pairs = list(zip(inputs[::2], inputs[1::2], strict=True))
        full += sum(left and right for left, right in pairs) * (8 + level)
        half += sum(left != right for left, right in pairs) * (8 + level)
        inputs = [left or right for left, right in pairs]
    expected = full * macro.ADDER_PJ + half * macro.HALF_ACTIVE_ADDER_PJ
    assert DIGITAL.mvm_pj(used, 1)["adder_trees"] == _close(8 * expected)


def test_all_adders_of_a_tree_are_active_in_full_use() -> None:
    trees = DIGITAL.area_um2()["adder_trees"] / macro.ADDER_UM2
    assert DIGITAL.mvm_pj(128, 128)["adder_trees"] == _close(8 * trees * macro.ADDER_PJ)


def test_inputs_at_once_need_no_accumulator() -> None:
    whole = Macro(analog=True, rows=128, words=128, serial_bits=8, adc_bits=8)
    assert whole.area_um2()["accumulators"] == whole.mvm_pj(1, 1)["accumulators"] == 0
    assert whole.clock_ns() < ANALOG.clock_ns()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"rows": 100}, "macro.rows is 100, must be a power of two"),
        ({"serial_bits": 16}, "macro.serial_bits is 16, must be at most input_bits, 8"),
        ({"adc_bits": 0}, "macro.adc_bits is 0, an analog macro needs 1 or more"),
    ],
)
def test_impossible_macro_is_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Macro(**({"analog": True, "rows": 128, "words": 128, "adc_bits": 8} | sizes))  # type: ignore[arg-type]
