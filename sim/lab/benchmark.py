"""Measures the speeds of docs/results.md: each command runs as a process of its own, and the page is rewritten.

Ratios are between runs of one Program in one call: its hash, and the cycles of its run, are compared.
"""

from __future__ import annotations

from typing import Any

from pyimc.errors import ToolError
from sim.lab.results_page import replace_section
from sim.run.measure import Process, machine, measure, report, run_folder
from sim.toolchain.simulator import SIMULATORS

COMPARED = (("resnet18", "lblp"), ("resnet8", "lblp"), ("digits", "lblp"))
"""Models and strategies that run on every simulator and at cycle level."""
REFERENCE = "icarus"
CYCLE_ONLY = (
    ("resnet18", "round_robin", "default"),
    ("resnet18", "lblp", "examples/large.yaml"),
    ("resnet8", "round_robin", "default"),
)
CYCLE_IMAGES = 20


def benchmark() -> None:
    """Runs everything (a quarter of an hour) and rewrites the measured sections of docs/results.md."""
    simulators = [name for name in SIMULATORS if _installed(name)]
    rtl = [
        machine(),
        "",
        "| command | latency (cycles) | interval (cycles) | build (s) | run (s) | cycles/s | M MAC/s | s/image "
        "| in all (s) | peak memory (MB) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    ratios = [
        "| Program | run by | cycles/s | M MAC/s | times Icarus |",
        "|---|---|---|---|---|",
    ]
    cycle = [
        "| command | latency (cycles) | interval (cycles) | M cycles/s | M MAC/s | peak memory of `sim` (MB) "
        "| of `rerun --level cycle` (MB) |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, strategy in COMPARED:
        runs = {}
        for simulator in simulators:
            runs[simulator], process = _rtl(model, strategy, simulator)
            command = f"make sim MODEL={model}" + (f" SIM={simulator}" if simulator != REFERENCE else "")
            rtl.append(_rtl_row(command, runs[simulator], process))
        figures, row = _cycle(model, strategy, "default")
        cycle.append(row)
        runs["cycle level"] = figures
        _check_same(list(runs.values()))
        ratios += [_ratio_row(f"{model}, {strategy}", name, runs) for name in runs]
    cycle += [_cycle(*run)[1] for run in CYCLE_ONLY]
    compiling = measure("compile", "--model", "resnet18")
    rtl += [
        "",
        "| command | seconds | peak memory (MB) |",
        "|---|---|---|",
        f"| `pyimc compile --model resnet18` (import, calibration, check, Program) | {compiling.seconds:.1f} "
        f"| {compiling.peak_mb} |",
    ]
    replace_section("bench", "\n".join(rtl))
    replace_section("ratios", "\n".join(ratios))
    replace_section("cycle", "\n".join(cycle))


def _installed(simulator: str) -> bool:
    try:
        SIMULATORS[simulator].version()
    except ToolError as error:
        print(f"{simulator} is left out: {error}", flush=True)
        return False
    return True


def _rtl(model: str, strategy: str, simulator: str) -> tuple[dict[str, Any], Process]:
    folder = run_folder(model, "default", strategy, "rtl")
    process = measure("sim", "--model", model, "--strategy", strategy, "--sim", simulator, "--output", folder)
    return report(folder), process


def _cycle(model: str, strategy: str, arch: str) -> tuple[dict[str, Any], str]:
    """Result of the cycle level, and its row: as a whole command, and of the stored Program alone."""
    folder = run_folder(model, arch, strategy, "cycle")
    whole = measure("sim", "--model", model, "--strategy", strategy, "--arch", arch, "--level", "cycle",
                    "--images", CYCLE_IMAGES, "--output", folder)  # fmt: skip
    again = folder.with_name(f"{folder.name}-rerun")
    alone = measure("rerun", folder, "--level", "cycle", "--output", again)
    figures = report(again)
    command = f"make sim LEVEL=cycle IMAGES={CYCLE_IMAGES} MODEL={model} STRATEGY={strategy}"
    command += "" if arch == "default" else f" ARCH={arch}"
    return figures, (
        f"| `{command}` | {figures['latency_cycles']} | {figures['interval_cycles']} "
        f"| {figures['cycles_per_second'] / 1e6:.2f} | {figures['macs_per_second'] / 1e6:.0f} "
        f"| {whole.peak_mb} | {alone.peak_mb} |"
    )


def _check_same(runs: list[dict[str, Any]]) -> None:
    """Raises ToolError if the runs are not of one Program, or differ in the cycles that do not depend on its images."""
    for key in ("program_sha256", "latency_cycles"):
        if len({run[key] for run in runs}) != 1:
            raise ToolError(f"the runs of {runs[0]['model']} cannot be compared: {key} is {[run[key] for run in runs]}")


def _rtl_row(command: str, figures: dict[str, Any], process: Process) -> str:
    seconds = figures["wall_seconds"]
    return (
        f"| `{command}` | {figures['latency_cycles']} | {figures['interval_cycles']} | {seconds['build']:.1f} "
        f"| {seconds['run']:.1f} | {figures['cycles_per_second']:.0f} | {figures['macs_per_second'] / 1e6:.1f} "
        f"| {seconds['run'] / figures['images']:.1f} | {process.seconds:.1f} "
        f"| {process.peak_mb} |"
    )


def _ratio_row(program: str, name: str, runs: dict[str, dict[str, Any]]) -> str:
    speed = runs[name]["cycles_per_second"]
    times = speed / runs[REFERENCE]["cycles_per_second"]
    return f"| {program} | {name} | {speed:.0f} | {runs[name]['macs_per_second'] / 1e6:.1f} | {times:.3g} |"
