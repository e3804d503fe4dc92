"""Architectures: the built-in ones, and every refusal."""

import re
from pathlib import Path
from typing import Any

import pytest

from pyimc.arch import CONFIGS, arch_from_dict, load_arch
from pyimc.errors import ConfigError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def tiny(**changes: Any) -> dict[str, Any]:
    """The data of the architecture `tiny`, with changes; `mesh` and `crossbar` are merged."""
    data = load_arch("tiny").model_dump(mode="json")
    for name, value in changes.items():
        data[name] = data[name] | value if isinstance(value, dict) else value
    return data


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.yaml")))
def test_built_in_architectures(name: str) -> None:
    arch = load_arch(name)
    assert arch.name == name
    assert sorted((arch.host, *arch.dpus, *arch.imcs)) == list(range(arch.nodes))
    assert arch_from_dict(arch.model_dump(mode="json"), "again") == arch


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_are_valid(path: Path) -> None:
    assert load_arch(str(path)).name == path.stem


def test_derived_figures_of_tiny() -> None:
    arch = load_arch("tiny")
    assert (arch.nodes, arch.lanes, arch.imcs, arch.dac_steps) == (6, 8, (1, 2, 3, 5), 4)
    assert [arch.words(size) for size in (0, 1, 8, 9)] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "colour: Extra inputs are not permitted, got 1"),
        ({"crossbar": {"size": 1}}, "crossbar.size: Extra inputs are not permitted"),
        ({"contexts": "16"}, "contexts: Input should be a valid integer, got '16'"),
        ({"contexts": 0}, "contexts: Input should be greater than or equal to 1"),
        ({"word_bits": 96}, "word_bits is 96, must be 64, 128 or 256"),
        ({"host": 6}, "host: node 6 does not exist, the mesh has nodes 0..5"),
        ({"dpus": [4, 9]}, "dpus: node 9 does not exist"),
        ({"dpus": [4, 4]}, "dpus: [4, 4] must be distinct"),
        ({"dpus": [0]}, "must not name the host (0)"),
        ({"contexts": 64, "destinations": 8}, "contexts x destinations is 512, must be at most 256"),
        ({"parameters": 100}, "parameters is 100, must be a power of two"),
        ({"output_columns": 16}, "output_columns is 16, must be at least crossbar.columns (32)"),
        ({"crossbar": {"rows": 48}}, "crossbar: rows is 48, must be a power of two"),
        ({"crossbar": {"adcs": 64}}, "crossbar: adcs is 64, columns (32) must be 1 to 255 times as many"),
        ({"crossbar": {"dac_bits": 3}}, "crossbar: dac_bits is 3, must be 1, 2, 4 or 8"),
        ({"crossbar": {"cell_bits": 3}}, "crossbar: cell_bits is 3, must be 1, 2, 4 or 8"),
        ({"crossbar": {"cell_bits": 0}}, "crossbar.cell_bits: Input should be greater than or equal to 1, got 0"),
        ({"crossbar": {"weights": "signed"}}, "crossbar.weights: Input should be 'offset' or 'differential'"),
        ({"crossbar": {"cell_bits": 1}}, "crossbar: adcs is 8, must be at most 4: 32 columns, 8 a weight"),
        ({"crossbar": {"rows_per_read": 48}}, "crossbar: rows_per_read is 48, must be a power of two up to rows (64)"),
        ({"crossbar": {"rows_per_read": 128}}, "crossbar: rows_per_read is 128, must be a power of two up to rows"),
        (
            {"crossbar": {"weights": "differential", "adc": {"bits": 1, "range": "max"}}},
            "crossbar: adc.bits is 1, must be 2 or more with weights differential",
        ),
        (
            {"crossbar": {"cell_bits": 4, "adcs": 4, "columns": 8}},
            "crossbar: rows and columns must be multiples of the word's 8 bytes, columns of 2 times as many",
        ),
        (
            {"output_columns": 16, "crossbar": {"cell_bits": 2, "columns": 128}},
            "output_columns is 16, must be at least crossbar.columns / 4 (32)",
        ),
        (
            {"crossbar": {"adc": {"bits": 0, "range": "max"}}},
            "crossbar.adc.bits: Input should be greater than or equal",
        ),
        ({"crossbar": {"adc": {"bits": 17, "range": "max"}}}, "crossbar.adc.bits: Input should be less than or equal"),
        ({"crossbar": {"adc": {"bits": 8}}}, "crossbar.adc.range: Field required"),
        (
            {"crossbar": {"adc": {"bits": 8, "range": "min"}}},
            "crossbar.adc.range: Input should be 'max' or 'calibrated'",
        ),
        ({"crossbar": {"adc": {"bits": 8, "range": "max", "step": 1}}}, "crossbar.adc.step: Extra inputs are not"),
    ],
)
def test_impossible_architectures(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        arch_from_dict(tiny(**changes), "chip.yaml")
    assert str(caught.value).startswith("chip.yaml: ")
    assert "\n" not in str(caught.value)


def test_all_faults_are_reported_at_once() -> None:
    data = tiny(colour=1, host=-1)
    del data["mesh"]
    with pytest.raises(ConfigError, match=r"(?s)mesh: Field required; .*host: .*colour: "):
        arch_from_dict(data, "chip.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [("- 1\n", "an architecture is a mapping of keys to values, got list"), ("a: [", "not a YAML file")],
)
def test_files_that_are_no_architecture(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "chip.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_arch(str(path))


def test_unknown_name() -> None:
    with pytest.raises(ConfigError, match=r"architecture 'huge' not found; use one of .*default, .*tiny.* or the path"):
        load_arch("huge")
