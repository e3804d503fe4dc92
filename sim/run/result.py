"""What a run reports: `result.json`, and the table on the terminal."""

from __future__ import annotations

import json
import os
import platform
import resource
from collections import Counter
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pyimc.arch import Crossbar
from pyimc.energy.account import Account, account
from pyimc.energy.costs import Costs
from pyimc.measurement import PU_STATES, Measurement
from pyimc.physical import model_name
from pyimc.program import Program
from pyimc.program_file import program_hash
from sim.run.answers import OUTPUTS, Answers, accuracy, lines
from sim.run.chain import Report, doubt
from sim.run.residency import Residency, residency
from sim.run.verify import NodeVerdict

if TYPE_CHECKING:  # it would import ONNX
    from mapping.importer.reference import LayerCheck

SCHEMA_VERSION = 1
TOOLS = ("cocotb", "numpy", "onnx", "onnxruntime", "ortools", "pyimc")


@dataclass(slots=True)
class Run:
    """A run as it goes along: filled phase by phase by `sim.run.flow`."""

    folder: Path
    program: Program
    level: str
    model_hash: str
    seed: int
    sim: str
    array: str
    images: NDArray[np.uint8]
    labels: tuple[int, ...] | None
    checks: tuple[LayerCheck, ...]
    seconds: dict[str, float]
    costs: Costs
    chain: Report | None = None
    tolerate: int = 0
    strict: bool = False
    simulator: str = ""
    trace: bool = False
    waves: str = ""
    golden_outputs: list[NDArray[np.uint8]] = field(default_factory=list)
    physical_outputs: list[NDArray[np.uint8]] = field(default_factory=list)
    rtl_outputs: list[NDArray[np.uint8]] = field(default_factory=list)
    load_cycles: int = 0
    measured: Measurement | None = None
    verdicts: dict[str, NodeVerdict] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    float_accuracy: dict[str, float | None] | None = None

    def macs_per_image(self) -> int:
        """Multiply-accumulates of all crossbar layers for one image."""
        return self.program.network.macs()

    @property
    def compared(self) -> str:
        """The model whose values those of RTL have to be."""
        return model_name(self.program.arch.crossbar)

    def account(self) -> Account | None:
        """What an image costs; None if none was finished, or not all of them."""
        if not self.measured or self.measured.deadlock or self.measured.latency is None:
            return None
        steady, alone = self.measured.steady, self.measured.latency
        interval, latency = (steady.interval, steady.latency) if steady else (alone, alone)
        return account(self.program, self.costs, interval, latency)

    def accuracy(self) -> dict[str, dict[str, float | None] | None]:
        """Of the given model in float, of golden, of RTL, and of physical golden if converters are not ideal.

        None without labels or without values.
        """
        levels = ("golden", "rtl") if self.program.arch.crossbar.exact else ("golden", "physical", "rtl")
        found = {level: accuracy(self.answers.get(level, {}), self.labels) for level in levels}
        return {"float": self.float_accuracy} | {level: asdict(each) if each else None for level, each in found.items()}


def write_result(run: Run) -> None:
    """Writes `result.json` in one step."""
    scratch = run.folder / ".result.json"
    scratch.write_text(json.dumps(result(run), indent=1) + "\n")
    os.replace(scratch, run.folder / "result.json")


def result(run: Run) -> dict[str, Any]:
    """The contents of `result.json`; docs/results.md describes the fields."""
    program = run.program
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "model": program.network.name,
        "model_sha256": run.model_hash,
        "program_sha256": program_hash(program),
        "level": run.level,
        "simulator": run.simulator,
        "array": run.array if run.level == "rtl" else "",
        "arch": program.arch.name,
        "strategy": program.origin.strategy,
        "options": program.origin.options,
        "seed": run.seed,
        "moved": program.origin.moved,
        "largest_load_cycles": largest_load(program),
        "bounds": {f"{name}_cycles": cycles for name, cycles in program.origin.bounds.items()},
        "interval_limit": program.origin.limit,
        "ring_words": {channel.name: channel.size for channel in program.channels},
        "images": len(run.images),
        "macs_per_image": run.macs_per_image(),
        "host_tail": list(program.network.host_tail),
        "onnxruntime": [
            {"node": check.node, "values": check.values, "differing": check.differing, "max_lsb": check.max_lsb}
            for check in run.checks
        ],
        "given": run.chain,
        "doubt": doubt(run.chain, run.tolerate) if run.chain else "",
        "accuracy": run.accuracy(),
        "wall_seconds": {phase: round(seconds, 3) for phase, seconds in run.seconds.items()},
        "peak_memory_bytes": peak_memory_bytes(),
        "tools": {name: version(name) for name in TOOLS} | {"python": platform.python_version()},
    }
    if not program.arch.crossbar.exact and run.physical_outputs:
        report["physical"] = crossbar_state(program.arch.crossbar) | {"snr_db": snr(run)}
    if travels := residency(program):
        report["residency"] = asdict(travels)
    if run.measured:
        report |= _measured(run, run.measured)
    if found := run.account():
        report["energy"] = found.report()
    return report


def crossbar_state(crossbar: Crossbar) -> dict[str, Any]:
    """Of what is not ideal: converters, cells."""
    adc, device = crossbar.adc, crossbar.real
    state: dict[str, Any] = {"adc_bits": adc.bits, "adc_range": adc.range} if adc else {}
    if device:
        state |= {"device": device.model.name, "seed": device.seed, "seconds": device.seconds,
                  "compensation": device.compensation}  # fmt: skip
    return state


def snr(run: Run) -> dict[str, float | None]:
    """What converters leave of each output of the chip, in dB: ideal golden is the signal, less its zero point.

    None where there is no noise, or no signal.
    """
    found: dict[str, float | None] = {}
    network = run.program.network
    for name, ideal, real in zip(network.outputs, run.golden_outputs, run.physical_outputs, strict=True):
        signal = np.square(ideal - float(network.tensors[name].zero_point)).sum()
        noise = np.square(real.astype(np.float64) - ideal).sum()
        found[name] = round(10 * float(np.log10(signal / noise)), 2) if signal and noise else None
    return found


def largest_load(program: Program) -> int:
    """Cycles per image that the compiler expects of the busiest PU."""
    loads = Counter[int]()
    for actor in program.actors:
        loads[actor.node] += actor.cycles
    return max(loads.values())


def _measured(run: Run, measured: Measurement) -> dict[str, Any]:
    program, steady, seconds = run.program, measured.steady, run.seconds["run"]
    nodes = {}
    for actor in program.actors:
        verdict, counts = run.verdicts.get(actor.name), measured.actors.get(actor.name, {})
        nodes[actor.name] = {
            "pu": actor.node, "firings": counts.get("firings"), "busy_cycles": counts.get("busy"),
            "first_issue_cycle": counts.get("first_issue"), "inputs_read_cycle": counts.get("inputs_read"),
            "last_word_cycle": counts.get("last_word"),
            "values_compared": verdict.values_compared if verdict else 0,
            "mismatches": verdict.mismatches if verdict else 0,
            "first_mismatch": str(verdict.first) if verdict and verdict.first else None,
        }  # fmt: skip
    done = len(measured.last_cycles) * run.macs_per_image()
    return {
        "deadlock": measured.deadlock,
        "waiting": measured.waiting,
        "cycles_total": measured.cycles_total,
        "latency_cycles": measured.latency,
        "latencies_cycles": measured.latencies,
        "steady_latency_cycles": steady.latency if steady else None,
        "interval_cycles": steady.interval if steady else None,
        "settled": bool(steady and steady.settled),
        "intervals_cycles": measured.intervals,
        "load_cycles": run.load_cycles,
        "pus": {
            node: {f"{name}_cycles": counts[name] for name in PU_STATES}
            | {"flits_in": counts["flits_in"], "flits_out": counts["flits_out"]}
            for node, counts in measured.counters.items()
        },
        "nodes": nodes,
        "network_flits": measured.network_flits,
        "cycles_per_second": round(measured.cycles_total / seconds, 1),
        "macs_per_second": round(done / seconds, 1),
    }


def physical_line(report: dict[str, Any]) -> str:
    """How far physical golden is from ideal golden, of the contents of `result.json`; empty if they are the same."""
    if not (said := report.get("physical")):
        return ""
    each = (f"{name} {'equal' if decibel is None else f'{decibel:.1f} dB'}" for name, decibel in said["snr_db"].items())
    return f"{state_line(said)}: physical against ideal golden {', '.join(each)}"


def state_line(physical: dict[str, Any]) -> str:
    """What is not ideal, in words, of what `crossbar_state` gives."""
    said = []
    if "adc_bits" in physical:
        said.append(f"ADCs of {physical['adc_bits']} bits, range {physical['adc_range']}")
    if "device" in physical:
        compensated = "" if physical["compensation"] == "none" else f", compensation {physical['compensation']}"
        said.append(
            f"cells of {physical['device']} after {physical['seconds']:g} s, seed {physical['seed']}{compensated}"
        )
    return "; ".join(said)


def _print_bounds(report: dict[str, Any], console: Console) -> None:
    """What no placement can beat, and how far from it this one is."""
    bounds, load = report["bounds"], report["largest_load_cycles"]
    console.print(
        f"bounds: interval {bounds['interval_cycles']} ({report['interval_limit']}), latency {bounds['latency_cycles']}"
    )
    if "residency" in report:
        console.print(str(Residency(**report["residency"])))
    if "proven_load_cycles" in bounds:
        proven = bounds["proven_load_cycles"]
        console.print(f"largest load {load}, proven lower bound {proven}: gap {(load - proven) / load:.2%}")


def peak_memory_bytes() -> int:
    """The largest resident set of this process or of the simulator."""
    return 1024 * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def print_table(run: Run, console: Console) -> None:
    """A short table of the PUs and the figures that people ask for first."""
    report = result(run)
    if not run.measured:
        console.print(f"{run.compared}, {len(run.images)} images; {run.folder / OUTPUTS}")
        _print_accuracy(report, console)
        return
    hosted: dict[str, list[str]] = {}
    for actor in sorted(run.program.actors, key=lambda actor: actor.node):
        hosted.setdefault(str(actor.node), []).append(actor.name)
    table = Table(box=None, pad_edge=False)
    for title in ("PU", "kind", "busy", "input wait", "room wait", "idle", "nodes"):
        table.add_column(title, justify="left" if title in ("PU", "kind", "nodes") else "right", overflow="ellipsis")
    for node in hosted:
        counts = report["pus"][node]
        shares = [f"{counts[f'{name}_cycles'] / max(1, report['cycles_total']):.1%}" for name in PU_STATES]
        kind = run.program.arch.kinds[int(node)]
        table.add_row(node, kind, *shares, " ".join(hosted[node]))
    console.print(table)
    steady = ""
    if report["interval_cycles"] is not None:
        few = "" if report["settled"] else " (few images)"
        steady = f"{report['steady_latency_cycles']} with the chip full, interval {report['interval_cycles']}{few}, "
    console.print(
        f"latency {report['latency_cycles']} cycles, {steady}{report['cycles_total']} in all for "
        f"{report['images']} images; {report['cycles_per_second']:.0f} cycles/s, "
        f"{report['macs_per_second'] / 1e6:.1f} M MAC/s"
    )
    _print_bounds(report, console)
    if found := run.account():
        console.print(found.summary())
    compared = sum(node["values_compared"] for node in report["nodes"].values())
    values = f"{compared} values compared with the {run.compared} model" if run.verdicts else "cycles only, no values"
    console.print(f"{values}; {run.folder / 'result.json'}")
    _print_accuracy(report, console)


def _print_accuracy(report: dict[str, Any], console: Console) -> None:
    if said := physical_line(report):
        console.print(said)
    for line in lines(report["accuracy"], report["images"]):
        console.print(line)
