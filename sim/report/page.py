"""`report.html`: a run on one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pyimc.measurement import PU_STATES
from sim.report.chip_map import chip_map
from sim.report.gantt import IMAGE_COLOURS, WAIT_COLOURS, Chart, gantt, library
from sim.report.timeline import Timeline, link_flits
from sim.report.waits import Bottleneck, Waited, bottleneck, span, waits
from sim.run.files import write_bytes
from sim.run.result import Run, result, state_line

SHOWN_WAITS = 15
MARK = {"pass": "every value and every cycle as it should be", "fail": "see below"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A headline figure: what it is, its value, what it is compared with, and the level that it comes from."""

    name: str
    value: str
    beside: str
    level: str


def write_page(run: Run, line: Timeline | None, verdict: str, path: Path) -> None:
    """Writes the report of a run in one step.

    Args:
        run: A finished run.
        line: Its timeline, if it has one.
        verdict: Empty if all is well, else what is wrong.
        path: The file.
    """
    write_bytes(path, render("run.html", **context(run, line, verdict)).encode())


def render(template: str, **values: Any) -> str:
    """A template of this package, filled."""
    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"cycles": lambda number: f"{number:,}", "percent": lambda share: f"{share:.1%}"}
    return environment.get_template(template).render(**values)


def context(run: Run, line: Timeline | None, verdict: str) -> dict[str, Any]:
    """What the template shows."""
    report = result(run)
    chart: Chart | None = gantt(line) if line else None
    limit: Bottleneck | None = bottleneck(line) if line else None
    found: list[Waited] = waits(line) if line else []
    return {
        "report": report,
        "verdict": verdict,
        "figures": [*_figures(run, report)],
        "chart": chart,
        "library": library() if chart else "",
        "line": line,
        "span": span(line) if line else (0, 0),
        "bottleneck": limit,
        "waits": [each for each in found if each.wait.kind != "issue"][:SHOWN_WAITS],
        "units": [*_units(run, report)] if line else [],
        "map": _map(run, line, report) if line else None,
        "rings": [*_rings(line)] if line else [],
        "nodes": [*_nodes(run, report)] if line else [],
        "legend": {"images": IMAGE_COLOURS, "waits": WAIT_COLOURS},
        "repeat": _repeat(run),
    }


def _figures(run: Run, report: dict[str, Any]) -> Iterator[Figure]:
    level, bounds = run.level, report["bounds"]
    if run.measured:
        if report["latency_cycles"] is not None:
            gap = report["latency_cycles"] / bounds["latency_cycles"] - 1
            yield Figure("latency", f"{report['latency_cycles']:,}", f"cycles, {gap:+.1%} over the bound", level)
        if report["interval_cycles"]:  # a broken run may end images in one cycle
            gap = report["interval_cycles"] / bounds["interval_cycles"] - 1
            few = "" if report["settled"] else ", few images"
            bound = f"cycles, {gap:+.1%} over the bound{few}"
            yield Figure("interval", f"{report['interval_cycles']:,}", bound, level)
            yield Figure("rate", f"{1e6 / report['interval_cycles']:.4g}", "images per million cycles", level)
            yield Figure("latency, chip full", f"{report['steady_latency_cycles']:,}", "cycles", level)
            macs = report["macs_per_image"] / report["interval_cycles"]
            yield Figure("throughput", f"{macs:,.0f}", "MACs per cycle", level)
    yield Figure("largest load", f"{report['largest_load_cycles']:,}", "cycles per image, busiest PU", "plan")
    if travels := report.get("residency"):
        text = f"words of weights an image, {travels['loads_per_batch']} loads for {travels['batch']}"
        yield Figure("weights that travel", f"{travels['words_per_image']:,}", text, "plan")
        text = f"of {travels['planes']}, beside {travels['windows']} windows with {travels['window_planes']}"
        yield Figure("planes of those that stay", f"{travels['resident_planes']:,}", text, "plan")
    for name, accuracy in report["accuracy"].items():
        if accuracy:
            yield Figure("top-1", f"{accuracy['top1']:.1%}", f"of {report['images']} images", name)
    if physical := report.get("physical"):
        for name, decibel in physical["snr_db"].items():
            text = f"physical against ideal golden, {name}: {state_line(physical)}"
            yield Figure("signal to noise", "equal" if decibel is None else f"{decibel:.1f} dB", text, "physical")
    energy = report.get("energy")
    if energy:
        text = f"per image, costs {energy['costs']}"
        yield Figure("energy", f"{energy['chip']['pj'] / 1e6:,.3g} uJ", text, f"{level} x table")
        yield Figure("efficiency", f"{energy['chip']['tops_per_w']:.3g}", "TOPS/W", f"{level} x table")
    compared = sum(node["values_compared"] for node in report.get("nodes", {}).values())
    if compared:
        yield Figure("values", f"{compared:,}", f"compared with {run.compared}, bit by bit", level)


def _units(run: Run, report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Stacked bars, the busiest first."""
    total = max(1, report["cycles_total"])
    for node in sorted(report["pus"], key=lambda node: -report["pus"][node]["busy_cycles"]):
        hosted = [actor for actor in run.program.actors if actor.node == int(node)]
        if hosted:
            counts = report["pus"][node]
            shares = {state: counts[f"{state}_cycles"] / total for state in PU_STATES}
            kind = run.program.arch.kinds[int(node)]
            names = ", ".join(actor.name for actor in hosted)
            yield {"name": f"PU {node}", "kind": kind, "shares": shares, "hosted": names,
                   "load": sum(actor.cycles for actor in hosted)}  # fmt: skip


def _map(run: Run, line: Timeline, report: dict[str, Any]) -> Any:
    total, images = max(1, report["cycles_total"]), len(line.measured.last_cycles)
    busy = {int(node): counts["busy_cycles"] / total for node, counts in report["pus"].items()}
    period = report["interval_cycles"] or (total / images if images else total)
    flits = link_flits(run.program, line.graph)
    return chip_map(run.program, busy, {link: count / period for link, count in flits.items()})


def _rings(line: Timeline) -> Iterator[dict[str, Any]]:
    """The fullest first."""
    rings = line.channels.values()
    for ring in sorted(rings, key=lambda ring: (-ring.peak / ring.channel.size, ring.channel.name)):
        size = ring.channel.size
        yield {
            "name": f"{ring.channel.producer} → {ring.channel.consumer}", "node": ring.channel.node, "size": size,
            "least": ring.least_words, "peak": ring.peak, "share": ring.peak / size,
        }  # fmt: skip


def _nodes(run: Run, report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    images = max(1, len(run.images))
    for actor in run.program.actors:
        node = report["nodes"][actor.name]
        busy = node["busy_cycles"]
        yield {
            "name": actor.name, "kind": actor.kind, "pu": actor.node, "expected": actor.cycles,
            "busy": None if busy is None else busy / images, "firings": node["firings"],
            "compared": node["values_compared"], "mismatch": node["first_mismatch"],
        }  # fmt: skip


def _repeat(run: Run) -> list[str]:
    """Commands that give the same run."""
    rtl = f" --sim {run.sim} --array {run.array}" if run.level == "rtl" else ""
    origin = run.program.origin
    options = "".join(f" --option {name}={value}" for name, value in origin.options.items() if value != "")
    whole = f"pyimc sim --model {origin.model} --arch {run.program.arch.name} --strategy {origin.strategy}"
    return [
        f"{whole} --level {run.level} --images {len(run.images)} --seed {run.seed}{rtl}{options}",
        f"pyimc rerun {run.folder} --level {run.level}{rtl}",
    ]
