# SPDX-License-Identifier: Apache-2.0
"""Every RTL module through Yosys and a 45 nm library: does it build, how large is it, how long is its path?

    python -m sim.toolchain.synth [--arch NAME] [--jobs N] [module ...]

The chip of an architecture is elaborated once to learn the parameters of its parts. Then every module runs alone, at
full size, what is below it black-boxed, so that area belongs to the module that has it. Memories of more than 1024 bits
with registered reads stay memories, as they would become SRAM macros, and are reported in bits. Other tables become
flip-flops; one of more than 4096 bits is a fault. The rest is mapped by ABC to the Nangate 45 nm open cell library,
typical corner (sim/toolchain/bootstrap.py unpacks it from a package), buffered and sized. The path is the longest of
gates between flip-flops, memories and ports of the module, and REGISTER_NS for a flip-flop's clock-to-output and setup;
there is no wire load.

An engine's black boxes stand for an analogue circuit or a memory: only their ports are read. Exit code 1 if Yosys stops
or warns, infers a latch (`check` warns of loops, undriven and doubly driven wires), if a large table is read without a
register, or if a file relies on initial values; 2 if Yosys or the library is missing. A loop through several modules
shows only in `make lint` (UNOPTFLAT).
Result: `build/synth.md`, `build/synth.json`, logs in `build/synth/`; all modules at `default` go to docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from pyimc.arch import load_arch
from pyimc.engines import ENGINES
from pyimc.engines.rtl import RTL
from pyimc.errors import ConfigError, ImcError, ToolError
from sim.lab.results_page import replace_section
from sim.toolchain.chip_parameters import BLACK_BOXES, chip_files, chip_parameters, literal, modules

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CELLS = ROOT / ".venv" / "cells" / "NangateOpenCellLibrary_typical.lib"
TABLE_BITS = 1024  # the largest memory that becomes flip-flops in any case,
ASYNCHRONOUS_BITS = 4096  # and the largest one that may, as its reads are not registered
REGISTER_NS = 0.12  # DFF_X1: clock to output 0.08 under a light load, setup 0.04
DRIVER = "BUF_X1"  # of every input
LOAD_FF = 4  # at every output: a few gates
MAPPING = (  # ABC: delay-optimal mapping, fanout of at most 16, sizing for 1.35 ns
    "strash; map -B 0.9; topo; buffer -c -N 16; topo; upsize -D 1350; dnsize -D 1350; stime -p"
)

Parameters = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """What one module came to; without faults it synthesises."""

    module: str
    parameters: dict[str, int]
    area: int = 0  # square micrometres, without memories
    flip_flops: int = 0
    memory_bits: int = 0
    path_ns: float = 0.0
    seconds: float = 0.0
    faults: tuple[str, ...] = ()


def main(arguments: Sequence[str]) -> int:
    """Runs what the command line says and prints the table."""
    parser = argparse.ArgumentParser(prog="synth", description="Cells of every RTL module, through Yosys.")
    parser.add_argument("--arch", default="default", help="architecture whose parameters are used")
    parser.add_argument("--jobs", type=int, default=2, help="runs of Yosys at a time")
    parser.add_argument("modules", nargs="*", help="only these")
    options = parser.parse_args(arguments)
    try:
        reports = synthesise_chip(options.arch, options.modules, jobs=options.jobs)
    except ImcError as error:
        print(f"synth: {error}", file=sys.stderr)
        return error.exit_code
    text = table(reports)
    (BUILD / "synth.md").write_text(f"Architecture `{options.arch}`.\n\n{text}")
    (BUILD / "synth.json").write_text(json.dumps([asdict(report) for report in reports], indent=2) + "\n")
    if options.arch == "default" and not options.modules:
        replace_section("synth", text)
    print(text, end="")
    for report in reports:
        for fault in report.faults:
            print(f"FAULT {report.module}: {fault}", file=sys.stderr)
    return 1 if any(report.faults for report in reports) else 0


def synthesise_chip(arch: str, names: Sequence[str] = (), *, jobs: int = 2) -> list[Report]:
    """Synthesises every module of rtl/ (or those named) as the architecture sets them, sorted by name.

    Engines of further kinds, of which the architecture has none, are as their files set them.

    Raises:
        ConfigError: a module is not in rtl/ or not part of this architecture's chip, and no further engine.
        ToolError: Yosys is missing or cannot elaborate the chip.
    """
    sets = parameter_sets(arch)
    sets += [(name, {}) for name, file in modules().items() if file.parent != RTL]
    known = modules().keys() - {*BLACK_BOXES}
    unknown = sorted((set(names) or known) - {module for module, _ in sets})
    if unknown:
        raise ConfigError(f"architecture {arch} has no module {', '.join(unknown)}; it has {_names(sets)}")
    chosen = [(module, parameters) for module, parameters in sets if not names or module in names]
    BUILD.mkdir(exist_ok=True)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(lambda job: synthesise(job[0], job[1], folder=BUILD / "synth"), chosen))


def parameter_sets(arch: str) -> list[tuple[str, Parameters]]:
    """Elaborates the chip; gives each module's parameter sets, sorted by name."""
    parameters = chip_parameters(load_arch(arch))
    place = BUILD / "synth" / "-".join(ENGINES) / f"elaborate_{arch}"
    place.parent.mkdir(parents=True, exist_ok=True)
    script = [*_read(chip_files(place.parent)), f"hierarchy -check -top chip {_settings('-chparam', parameters)}"]
    log, code = _yosys(script, place)
    if code:
        raise ToolError(f"Yosys cannot elaborate the chip of {arch}: {_faults(log)[0]}")
    pattern = r"derive mode using pre-parsed AST for module `\\(\w+)'\.\n((?:Parameter .*\n)*)Generating RTLIL"
    found: dict[tuple[str, str], Parameters] = {("chip", ""): parameters}
    for module, text in re.findall(pattern, log):
        values = {name: int(value) for name, value in re.findall(r"Parameter \\(\w+) = (-?\d+)\n", text)}
        if module not in ("chip", *BLACK_BOXES):
            found[module, str(sorted(values.items()))] = values
    return [(module, found[module, key]) for module, key in sorted(found)]


def synthesise(module: str, parameters: Parameters, *, folder: Path, rtl: Path = RTL) -> Report:
    """Synthesises one module of the folder `rtl`, or of a further engine; logs go to `folder`."""
    start = time.monotonic()
    name = "_".join([module, *map(str, parameters.values())])[:80]
    place = folder / name
    # `hierarchy -chparam` of Yosys 0.23 stops at a part with one parameter, so `chparam` on a module read in full.
    file = rtl / f"{module}.v" if (rtl / f"{module}.v").exists() else modules()[module]
    script = [
        f"read_verilog -I{RTL} {file}",
        *_read([other for other in sorted(rtl.glob("*.v")) if other.stem != module]),
        *([f"chparam {_settings('-set', parameters)} {module}"] if parameters else []),
        f"hierarchy -check -top {module}",
        f"rename -top {module}",
        f"select -set below * {module} %d",
        "blackbox @below",
        f"synth -top {module} -run begin:fine",
        "opt -fast -full",
        "select -set asynchronous t:$mem_v2 r:RD_CLK_ENABLE=0 %i",
        f"select -set kept {_large_memories()} @asynchronous %d",
        f"tee -q -o {place}.asynchronous dump @asynchronous",
        "memory_map t:$mem_v2 @kept %d",
        "opt -full",
        "techmap",
        "opt -fast",
        "check",
        f"dfflibmap -liberty {CELLS}",
        "opt -fast",
        f"abc -liberty {CELLS} -constr {place}.constraints -script {place}.abc",
        "opt_clean",
        f"cd {module}",
        f"tee -q -o {place}.stat stat -liberty {CELLS}",
        f"tee -q -o {place}.memories dump t:$mem_v2",
    ]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.with_suffix(".abc").write_text(MAPPING.replace("; ", "\n") + "\n")
    place.with_suffix(".constraints").write_text(f"set_driving_cell {DRIVER}\nset_load {LOAD_FF} [all_outputs]\n")
    log, code = _yosys(script, place)
    source = _source(file)
    faults = [f"relies on {word} values" for word in ("initial", "$readmemh", "$readmemb") if word in source.split()]
    faults += _faults(log if code else log.split("Executing DFFLIBMAP")[0])  # after that it warns of cells it skips
    if code and not faults:
        faults.append(f"Yosys ended with {code}; see {place}.log")
    if code:
        return Report(module, dict(parameters), seconds=time.monotonic() - start, faults=tuple(faults))
    statistics = place.with_suffix(".stat").read_text()
    flip_flops = sum(int(count) for count in re.findall(r"^ +DFF\w+ +(\d+)$", statistics, re.M))
    area = re.search(r"Chip area for .*: ([\d.]+)", statistics)
    kept = _memories(place.with_suffix(".memories"))
    faults += [
        f"{bits} bits are read without a register"
        for bits in _memories(place.with_suffix(".asynchronous"))
        if bits > ASYNCHRONOUS_BITS
    ]
    paths = re.findall(r"ABC: .* Delay = +([\d.]+) ps", log)
    return Report(
        module,
        dict(parameters),
        area=round(float(area[1])) if area else 0,
        flip_flops=flip_flops,
        memory_bits=sum(kept),
        path_ns=round(float(paths[-1]) / 1000 + REGISTER_NS, 2) if paths else 0.0,
        seconds=round(time.monotonic() - start, 1),
        faults=tuple(faults),
    )


def table(reports: Sequence[Report]) -> str:
    """The reports as a markdown table."""
    lines = [
        "| module | parameters | area, um2 | flip-flops | memory bits | longest path, ns |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for report in reports:
        text = " ".join(f"{name}={literal(name, value)}" for name, value in report.parameters.items())
        numbers = [report.area, report.flip_flops, report.memory_bits]
        row = [f"`{report.module}`", text, *(f"{number:,}" for number in numbers), f"{report.path_ns:.2f}"]
        lines.append("| " + " | ".join(["**FAULTS** " + row[0] if report.faults else row[0], *row[1:]]) + " |")
    return "\n".join(lines) + "\n"


def _memories(dump: Path) -> list[int]:
    """Bits of every memory in a dump."""
    text = dump.read_text()
    sizes, widths = (
        [int(value) for value in re.findall(rf"parameter (?:signed )?\\{field} (\d+)$", text, re.M)]
        for field in ("SIZE", "WIDTH")
    )
    return [size * width for size, width in zip(sizes, widths, strict=True)]


def _large_memories() -> str:
    """Selects what has more than TABLE_BITS bits: for every number of words that matters, the least width."""
    least: dict[int, int] = {}
    for width in range(TABLE_BITS + 1, 0, -1):
        least[TABLE_BITS // width + 1] = width
    terms = [f"t:$mem_v2 r:SIZE>={words} %i r:WIDTH>={width} %i" for words, width in least.items()]
    return " ".join([terms[0], *(f"{term} %u" for term in terms[1:])])


def _read(files: Sequence[Path]) -> list[str]:
    """Commands that read the modules; of the black boxes only the ports."""
    folder = BUILD / "synth"
    folder.mkdir(parents=True, exist_ok=True)
    stubs = []
    for box in BLACK_BOXES:
        ports = modules()[box].read_text().split("\n);", 1)[0]
        stub = folder / f"{box}.v"
        text = f"{ports}\n);\nendmodule\n`default_nettype wire\n"
        if not stub.exists() or stub.read_text() != text:
            stub.write_text(text)
        stubs.append(f"read_verilog -lib {stub}")
    rest = " ".join(str(file) for file in files if file.stem not in BLACK_BOXES)
    deferred = [f"read_verilog -defer -I{RTL} {rest}"] if rest else []
    return [*deferred, *stubs]


def _settings(option: str, parameters: Parameters) -> str:
    return " ".join(f"{option} {name} {literal(name, value)}" for name, value in parameters.items())


def _yosys(script: Sequence[str], place: Path) -> tuple[str, int]:
    """Runs the commands in the folder of `place`; gives the log (also in place.log) and the exit code."""
    if not shutil.which("yosys"):
        raise ToolError("yosys is not installed; run make synth, which installs it, or: apt-get install yosys")
    if not CELLS.exists():
        raise ToolError(f"{CELLS.relative_to(ROOT)} is missing; run make synth, which unpacks it")
    place.parent.mkdir(parents=True, exist_ok=True)
    commands = place.with_suffix(".ys")
    commands.write_text("\n".join(script) + "\n")
    run = subprocess.run(
        ["yosys", str(commands.resolve())], cwd=place.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    place.with_suffix(".log").write_text(run.stdout)
    return run.stdout, run.returncode


def _faults(log: str) -> list[str]:
    """Errors, warnings and latches in a log, each once."""
    bad = re.compile(r"ERROR:|Warning:|^Latch inferred")
    return list(dict.fromkeys(line.strip() for line in log.splitlines() if bad.search(line)))


def _source(file: Path) -> str:
    """The Verilog without comments, words apart."""
    return re.sub(r"([^\w$])", r" \1 ", re.sub(r"//.*|/\*[\s\S]*?\*/", "", file.read_text()))


def _names(sets: Sequence[tuple[str, Parameters]]) -> str:
    return ", ".join(dict.fromkeys(module for module, _ in sets))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
