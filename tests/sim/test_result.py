# SPDX-License-Identifier: Apache-2.0
"""`result.json`: every field is there, of its type, and the figures agree with each other and with the run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyimc import program_file
from pyimc.measurement import PU_STATES
from sim.run.result import SCHEMA_VERSION
from tests.sim.runs import enter, pyimc, read_result

IMAGES = 6
ROOT = Path(__file__).resolve().parents[2]
COMMON: dict[str, type | tuple[type, ...]] = {
    "schema_version": int, "model": str, "model_sha256": str, "program_sha256": str, "level": str, "simulator": str,
    "array": str, "arch": str, "strategy": str, "options": dict, "seed": int, "moved": list,
    "largest_load_cycles": int, "bounds": dict, "interval_limit": str, "ring_words": dict, "images": int,
    "host_tail": list, "onnxruntime": list, "given": dict, "doubt": str, "accuracy": dict, "wall_seconds": dict,
    "peak_memory_bytes": int,
    "tools": dict, "macs_per_image": int,
}  # fmt: skip
MEASURED: dict[str, type | tuple[type, ...]] = {
    "deadlock": bool, "waiting": list, "cycles_total": int, "latency_cycles": int, "latencies_cycles": list,
    "steady_latency_cycles": int, "settled": bool,
    "interval_cycles": int, "intervals_cycles": list, "load_cycles": int, "pus": dict, "nodes": dict,
    "network_flits": int, "energy": dict, "cycles_per_second": float, "macs_per_second": float,
}  # fmt: skip
NODE: dict[str, type | tuple[type, ...]] = {
    "pu": int, "firings": int, "busy_cycles": int, "first_issue_cycle": int, "inputs_read_cycle": int,
    "last_word_cycle": int, "values_compared": int,
    "mismatches": int, "first_mismatch": type(None),
}  # fmt: skip
PU: dict[str, type | tuple[type, ...]] = {
    **{f"{name}_cycles": int for name in PU_STATES}, "flits_in": int, "flits_out": int,
}  # fmt: skip


RUN = Path("build/digits-tiny-lblp-rtl")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        enter(tmp_path_factory.mktemp("result"), patch)
        said = pyimc("sim", "--model", "digits", "--arch", "tiny", "--images", IMAGES, "--seed", 3, "--output", RUN)
        assert said.code == 0, said
        yield RUN.resolve()


@pytest.fixture
def report(folder: Path) -> dict[str, Any]:
    return read_result(folder)


def typed(fields: dict[str, Any], types: dict[str, type | tuple[type, ...]]) -> None:
    """Exactly these fields of these types."""
    assert fields.keys() == types.keys()
    wrong = {name: value for name, value in fields.items() if type(value) is not types[name]}
    assert not wrong


def test_every_field_is_there(report: dict[str, Any]) -> None:
    typed(report, COMMON | MEASURED)
    for node in report["nodes"].values():
        typed(node, NODE)
    for unit in report["pus"].values():
        typed(unit, PU)
    assert report["schema_version"] == SCHEMA_VERSION == 1


def test_the_documentation_names_every_field() -> None:
    page = (ROOT / "docs" / "results.md").read_text()
    _, _, section = page.partition("## The fields of `result.json`")
    assert COMMON.keys() | MEASURED.keys() | NODE.keys() | PU.keys() <= set(re.findall(r"`(\w+)`", section))


def test_it_says_what_ran(report: dict[str, Any], folder: Path) -> None:
    said = [report[name] for name in ("model", "level", "array", "arch", "strategy", "seed", "images")]
    assert said == ["digits", "rtl", "verilog", "tiny", "lblp", 3, IMAGES]
    manifest = json.loads((folder / "program" / "manifest.json").read_text())
    assert report["program_sha256"] == manifest["hash"]
    assert re.fullmatch(r"[0-9a-f]{64}", report["model_sha256"])
    assert report["simulator"].startswith("Icarus Verilog version ")
    assert report["options"] == manifest["origin"]["options"] == {
        "grain": "row", "priority": "output", "slack_rows": 2, "split": "",
    }  # fmt: skip
    assert report["host_tail"] == ["Softmax"]
    assert {"cocotb", "numpy", "onnx", "onnxruntime", "pyimc", "python"} <= report["tools"].keys()
    assert {
        "prepare",
        "compile",
        "save",
        "golden",
        "build",
        "simulator",
        "load",
        "run",
        "verify",
        "host",
        "report",
    } == report["wall_seconds"].keys()


def test_figures_agree(report: dict[str, Any], folder: Path) -> None:
    program = program_file.load(folder / "program")
    outcome = json.loads((folder / "outcome.json").read_text())["measured"]
    total = report["cycles_total"]
    assert total == outcome["last_cycles"][-1]
    for counts in report["pus"].values():
        assert sum(counts[f"{name}_cycles"] for name in PU_STATES) == total
    for node, counts in report["pus"].items():
        hosted = [entry for entry in report["nodes"].values() if entry["pu"] == int(node)]
        assert hosted and counts["busy_cycles"] == sum(entry["busy_cycles"] for entry in hosted) > 0
    for actor in program.actors:
        busy = report["nodes"][actor.name]["busy_cycles"]
        guess = IMAGES * actor.cycles
        assert 0.9 * guess <= busy <= 1.5 * guess, f"{actor.name}: far from the compiler's guess"
    assert report["latency_cycles"] == report["latencies_cycles"][0]
    assert report["latency_cycles"] == outcome["last_cycles"][0] - outcome["first_cycles"][0] + 1
    assert report["intervals_cycles"] == [
        after - before for before, after in zip(outcome["last_cycles"], outcome["last_cycles"][1:], strict=False)
    ]
    bounds = report["bounds"]
    assert bounds["load_cycles"] <= report["largest_load_cycles"]
    assert bounds["interval_cycles"] <= report["interval_cycles"] or not report["settled"]
    assert bounds["latency_cycles"] <= report["latency_cycles"] <= 1.05 * bounds["latency_cycles"]
    assert report["interval_limit"] in report["nodes"]
    assert report["macs_per_image"] > 100_000
    seconds = report["wall_seconds"]["run"]
    assert report["cycles_per_second"] == pytest.approx(total / seconds, rel=0.05)
    assert report["macs_per_second"] == pytest.approx(IMAGES * report["macs_per_image"] / seconds, rel=0.05)
    assert 50 << 20 < report["peak_memory_bytes"] < 4 << 30


def test_every_value_was_compared(report: dict[str, Any], folder: Path) -> None:
    network = program_file.load(folder / "program").network
    assert list(report["nodes"]) == [node.name for node in network.nodes]
    for node in network.nodes:
        height, width, channels = network.tensors[node.output].shape
        assert report["nodes"][node.name]["values_compared"] == IMAGES * height * width * channels
        assert report["nodes"][node.name]["mismatches"] == 0


def test_onnxruntime_was_asked_about_every_node(report: dict[str, Any]) -> None:
    checks = {check["node"]: check for check in report["onnxruntime"]}
    assert checks.keys() > report["nodes"].keys()
    assert all(check["max_lsb"] <= 1 and 0 <= check["differing"] <= check["values"] for check in checks.values())


def test_top1_on_rtl_is_the_golden_models(report: dict[str, Any]) -> None:
    accuracy = report["accuracy"]
    assert accuracy["rtl"] == accuracy["golden"] and accuracy["rtl"]["top1"] >= 0.8


def test_golden_level(folder: Path) -> None:
    said = pyimc("sim", "--model", "digits", "--arch", "tiny", "--level", "golden", "--images", 200)
    assert said.code == 0 and "top-1 of 200 images: float " in said.out
    golden = read_result(Path("build/digits-tiny-lblp-golden"))
    typed(golden, COMMON)
    assert (golden["level"], golden["simulator"], golden["array"]) == ("golden", "", "")
    assert golden["accuracy"]["golden"]["top1"] > 0.95 and golden["accuracy"]["rtl"] is None
    assert golden["model_sha256"] == read_result(folder)["model_sha256"]
    assert golden["program_sha256"] != ""
    assert not list(Path("build/digits-tiny-lblp-golden").glob("capture_*"))


def test_without_labels_there_is_no_accuracy(folder: Path) -> None:
    said = pyimc("sim", "--model", "resnet8", "--level", "golden", "--images", 1)
    assert said.code == 0
    assert read_result(Path("build/resnet8-default-lblp-golden"))["accuracy"]["golden"] is None


def test_rerun_reports_the_same(folder: Path) -> None:
    """But for the onnxruntime check, which needs the model."""
    before = read_result(folder)
    stored = (folder / "result.json").read_bytes()
    assert pyimc("rerun", folder, "--output", "again").code == 0
    assert (folder / "result.json").read_bytes() == stored, "the earlier run is left alone"
    after = read_result(Path("again"))
    assert after.keys() == before.keys()
    timed = {"wall_seconds", "peak_memory_bytes", "cycles_per_second", "macs_per_second", "onnxruntime"}
    assert {name: after[name] for name in after if name not in timed} == {
        name: before[name] for name in before if name not in timed
    }
