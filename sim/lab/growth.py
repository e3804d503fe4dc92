"""How time and memory grow: compiler, cycle level and RTL against the network's size and the number of PUs.

Every figure is that of a process of its own. Rewrites its section of docs/results.md and the plots beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pyimc.arch import load_arch
from sim.lab.results_page import PAGE, replace_section
from sim.run.folder import BUILD
from sim.run.measure import Process, machine, measure, report, run_folder

MODELS = ("digits", "resnet8", "resnet18")
RTL_MODELS = ("digits", "resnet8")  # ResNet-18 takes minutes an image
MESHES = ((2, 2), (4, 2), (4, 4), (8, 4), (8, 8), (16, 8), (16, 16))
NETWORK = "resnet18"  # for the meshes at cycle level
RTL_NETWORK = "digits"
RTL_NODES = 64  # the largest mesh that RTL runs
IMAGES, RTL_IMAGES = 4, 1


@dataclass(frozen=True, slots=True)
class Point:
    """One network on one chip.

    Attributes:
        x: MACs of an image, or nodes of the mesh.
        label: For the table.
        compile_seconds: From the quantised network to the Program.
        compiling: The whole `pyimc compile`: import, calibration and check included.
        cycle_seconds: The cycle model's run of `IMAGES` images.
        cycles: Of that run.
        rerun: The whole `pyimc rerun --level cycle`.
        rtl_seconds: Icarus Verilog's run of `RTL_IMAGES` images of `RTL_NETWORK` or the model itself, if it was run.
        rtl_cycles: Of that run.
        rtl: The whole `pyimc sim`.
    """

    x: int
    label: str
    compile_seconds: float
    compiling: Process
    cycle_seconds: float
    cycles: int
    rerun: Process
    rtl_seconds: float | None
    rtl_cycles: int | None
    rtl: Process | None


def growth() -> None:
    """Measures everything (some ten minutes) and rewrites the section."""
    models = [_point(model, "default", model if model in RTL_MODELS else None, by_macs=True) for model in MODELS]
    nodes = [
        _point(NETWORK, _mesh(*mesh), RTL_NETWORK if mesh[0] * mesh[1] <= RTL_NODES else None, by_macs=False)
        for mesh in MESHES
    ]
    _plot(models, "MACs per image", PAGE.with_name("growth_macs.svg"))
    _plot(nodes, "nodes of the mesh", PAGE.with_name("growth_nodes.svg"))
    lines = [
        machine(), "",
        *_table("network, MACs per image", models, "the same network"), "",
        *_table(f"nodes of the mesh, {NETWORK}", nodes, RTL_NETWORK), "",
        "![against MACs](growth_macs.svg)", "![against nodes](growth_nodes.svg)",
    ]  # fmt: skip
    replace_section("growth", "\n".join(lines))


def _mesh(columns: int, rows: int) -> str:
    """The default architecture on another mesh, a quarter of it digital, with room for all layers on any; its file."""
    data = load_arch("default").model_dump(mode="json")
    nodes = columns * rows
    data |= {
        "name": f"mesh{nodes}",
        "mesh": {"columns": columns, "rows": rows, "fifo_depth": 4},
        "dpus": list(range(3, nodes, 4)),
        "activation_words": 65535, "instructions": 1024, "parameters": 8192,
        "crossbar": data["crossbar"] | {"planes": 256},
    }  # fmt: skip
    path = BUILD / "growth" / f"mesh{nodes}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data))
    return str(path)


def _point(model: str, arch: str, rtl_model: str | None, *, by_macs: bool) -> Point:
    chip = ("--arch", arch)
    compiling = measure("compile", "--model", model, *chip)
    folder = run_folder(model, arch, "lblp", "cycle")
    again = folder.with_name(f"{folder.name}-rerun")
    measure("sim", "--model", model, *chip, "--level", "cycle", "--images", IMAGES, "--output", folder)
    compile_seconds = report(folder)["wall_seconds"]["compile"]
    rerun = measure("rerun", folder, "--level", "cycle", "--output", again)
    cycle = report(again)
    rtl: Process | None = None
    measured: dict[str, Any] = {}
    if rtl_model:
        folder = run_folder(rtl_model, arch, "lblp", "rtl")
        rtl = measure("sim", "--model", rtl_model, *chip, "--images", RTL_IMAGES, "--output", folder)
        measured = report(folder)
    macs, nodes = cycle["macs_per_image"], load_arch(arch).nodes
    return Point(
        x=macs if by_macs else nodes, label=f"{model}, {macs / 1e6:.1f} M" if by_macs else str(nodes),
        compile_seconds=compile_seconds, compiling=compiling, cycle_seconds=cycle["wall_seconds"]["run"],
        cycles=cycle["cycles_total"], rerun=rerun, rtl_seconds=measured["wall_seconds"]["run"] if measured else None,
        rtl_cycles=measured["cycles_total"] if measured else None, rtl=rtl,
    )  # fmt: skip


def _table(title: str, points: Sequence[Point], rtl_network: str) -> list[str]:
    rows = [
        f"| {title} | compiler (s) | `compile` in all (s) | (MB) | cycle level, {IMAGES} images (s) | cycles/s "
        f"| `rerun` in all (MB) | Icarus, {RTL_IMAGES} image of {rtl_network} (s) | cycles/s | (MB) |",
        "|" + "---|" * 10,
    ]
    for point in points:
        rtl = ["-"] * 3
        if point.rtl and point.rtl_seconds and point.rtl_cycles:
            rtl = [f"{point.rtl_seconds:.2f}", f"{point.rtl_cycles / point.rtl_seconds:.0f}", point.rtl.peak_mb]
        figures = [
            point.label, f"{point.compile_seconds:.2f}", f"{point.compiling.seconds:.1f}", point.compiling.peak_mb,
            f"{point.cycle_seconds:.3f}", f"{point.cycles / point.cycle_seconds:.0f}", point.rerun.peak_mb, *rtl,
        ]  # fmt: skip
        rows.append(f"| {' | '.join(figures)} |")
    return rows


def _plot(points: Sequence[Point], title: str, path: Path) -> None:
    import matplotlib  # slow to load, and needed here only

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = path.name  # the same figures give the same bytes
    figure, (seconds, memory) = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    x = [point.x for point in points]
    seconds.plot(x, [point.compile_seconds for point in points], "o-", label="compiler")
    seconds.plot(x, [point.cycle_seconds for point in points], "s-", label=f"cycle level, {IMAGES} images")
    rtl = [(point.x, point.rtl_seconds, point.rtl) for point in points if point.rtl_seconds and point.rtl]
    seconds.plot([at for at, _, _ in rtl], [run for _, run, _ in rtl], "^-", label=f"Icarus, {RTL_IMAGES} image")
    memory.plot(x, [point.compiling.peak_bytes / 1e6 for point in points], "o-", label="compile")
    memory.plot(x, [point.rerun.peak_bytes / 1e6 for point in points], "s-", label="rerun --level cycle")
    memory.plot([at for at, _, _ in rtl], [run.peak_bytes / 1e6 for _, _, run in rtl], "^-", label="sim, Icarus")
    for axes, unit in ((seconds, "seconds"), (memory, "MB")):
        axes.set(xscale="log", yscale="log", xlabel=title, ylabel=unit)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
