"""Build one RTL toplevel with parameters and run a cocotb test module on it, from plain pytest.

A test file holds both sides. The cocotb side has names that pytest does not collect; the pytest side chooses
the parameters::

    @cocotb.test
    async def random_traffic(dut): ...

    @pytest.mark.parametrize("depth", [2, 3])
    def test_fifo(depth: int) -> None:
        simulate("fifo", __name__, {"WIDTH": 9, "DEPTH": depth})

Modules are found by name (`rtl/<module>.v`), so no source list has to be kept. The sources are read as
Verilog-2005. Everything is written under `build/tests/`.

To replay one failure with waves, an `.fst` beside the log: `WAVES=1 .venv/bin/pytest tests/rtl/test_fifo.py -k 13-3`.
A failure begins with what each failing test asserted, the tail of the log comes last.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from cocotb_tools.runner import get_runner

ROOT = Path(__file__).resolve().parents[2]
RTL = ROOT / "rtl"
COVERED = ROOT / "build" / "coverage" / "tests"

# Taken away, as cocotb would add a dump of its own, which Icarus 11 does not accept.
_WAVES = os.environ.pop("WAVES", "0") not in ("", "0")

# Set by tests.coverage: Verilator instead, which counts what is reached.
_COVERAGE = bool(os.environ.get("RTL_COVERAGE"))
BUILD = COVERED if _COVERAGE else ROOT / "build" / "tests"
_ICARUS = ["-g2005"]
_VERILATOR = ["--coverage-line", "--coverage-toggle", "--default-language", "1364-2005", "-Wno-fatal", "--no-timing"]

Parameters = Mapping[str, int]


def simulate(
    toplevel: str,
    test_module: str,
    parameters: Parameters | None = None,
    *,
    testcase: str | Sequence[str] | None = None,
    seed: int = 1,
    env: Mapping[str, str] | None = None,
    sources: Sequence[Path] | None = None,
    rtl_dirs: Sequence[Path] = (RTL,),
) -> int:
    """Run the cocotb tests of `test_module` on `toplevel` under Icarus Verilog.

    Args:
        toplevel: module to simulate.
        test_module: dotted name of the Python module with the cocotb tests, normally `__name__`.
        parameters: parameters of the toplevel.
        testcase: run only this test, or these.
        seed: `cocotb.RANDOM_SEED` in the simulation.
        env: further environment variables for the cocotb side.
        sources: files to compile; default the file of the toplevel.
        rtl_dirs: folders where modules that `sources` lack are looked up, as `<module>.v`, and headers.

    Returns:
        How many cocotb tests ran.

    Raises:
        AssertionError: the build failed, the simulation died, no test ran, or a test failed; the message
            names the tests, the seed and the log.
    """
    parameters = dict(parameters or {})
    build_dir = _build_dir(toplevel, test_module, parameters, testcase, seed, env)
    if _COVERAGE and counted(build_dir):
        return 1
    shutil.rmtree(build_dir, ignore_errors=True)
    build_dir.mkdir(parents=True)
    compiled = [*(sources or [_file_of(toplevel, rtl_dirs)])]
    arguments = [*(_VERILATOR if _COVERAGE else _ICARUS), *_search(rtl_dirs)]
    if _WAVES and not _COVERAGE:
        compiled.append(_write_dump(build_dir, toplevel))
        arguments += ["-s", "dump"]
    runner = get_runner("verilator" if _COVERAGE else "icarus")
    try:
        runner.build(
            sources=compiled,
            hdl_toplevel=toplevel,
            parameters=parameters,
            build_args=arguments,
            timescale=("1ns", "1ps"),
            build_dir=build_dir,
            log_file=build_dir / "build.log",
            always=True,
        )
    except RuntimeError as error:
        raise AssertionError(f"{toplevel} {parameters}: no build\n{_tail(build_dir / 'build.log')}") from error

    log = build_dir / "test.log"
    results = build_dir / "results.xml"
    where = f"{toplevel} {parameters} seed {seed}, log {log}"
    try:
        runner.test(
            test_module=test_module,
            hdl_toplevel=toplevel,
            testcase=testcase,
            seed=seed,
            extra_env={"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **(env or {})},
            results_xml=str(results),
            log_file=log,
            waves=_WAVES and not _COVERAGE,
        )
    except (SystemExit, RuntimeError):  # the reason is in the results, or they are missing
        pass
    assert results.is_file(), f"the simulation died: {where}\n{_tail(log)}"
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    failed = [f"{case.get('name')}: {why}" for case in cases if (why := _why(case))]
    ran = [case for case in cases if case.find("skipped") is None]
    if failed:
        (build_dir / "coverage.dat").unlink(missing_ok=True)  # to be run again
    assert not failed, "\n".join([*failed, where, _tail(log)])
    assert ran, f"no test ran: {where}\n{_tail(log)}"
    return len(ran)


def counted(build_dir: Path) -> bool:
    """Whether a bench has passed there under Verilator since its test, a helper or the RTL was edited last."""
    found = build_dir / "coverage.dat"
    test = ROOT / "tests" / "rtl" / f"{build_dir.parent.name}.py"
    helpers = [path for path in test.parent.glob("*.py") if not path.name.startswith("test_")]
    sources = [*RTL.glob("*.v*"), *helpers, test]
    return found.is_file() and all(path.is_file() and path.stat().st_mtime < found.stat().st_mtime for path in sources)


def assert_refused(toplevel: str, parameters: Parameters, error: str, *, rtl_dirs: Sequence[Path] = (RTL,)) -> None:
    """Assert that these parameters do not elaborate, and that the tool names `error` (the missing module)."""
    command = ["iverilog", "-g2005", "-tnull", "-s", toplevel, *_search(rtl_dirs)]
    command += [f"-P{toplevel}.{name}={value}" for name, value in parameters.items()]
    run = _run([*command, str(_file_of(toplevel, rtl_dirs))])
    assert run.returncode != 0, f"{toplevel} {dict(parameters)} was accepted"
    assert error in run.stdout, f"{toplevel} {dict(parameters)} was refused without naming {error}:\n{run.stdout}"


def assert_lint_clean(
    toplevel: str, parameters: Parameters | None = None, *, rtl_dirs: Sequence[Path] = (RTL,)
) -> None:
    """Assert that `verilator --lint-only -Wall` has nothing to say about `toplevel` with these parameters."""
    assert shutil.which("verilator"), "verilator is not installed"
    command = ["verilator", "--lint-only", "-Wall", "--default-language", "1364-2005", "--top-module", toplevel]
    command += [arg for folder in rtl_dirs for arg in (f"-I{folder}", "-y", str(folder))]
    command += [f"-G{name}={value}" for name, value in (parameters or {}).items()]
    run = _run([*command, str(_file_of(toplevel, rtl_dirs))])
    assert run.returncode == 0 and not run.stdout.strip(), f"{' '.join(command)}\n{run.stdout}"


def _search(rtl_dirs: Sequence[Path]) -> list[str]:
    """Icarus options: where modules and headers are."""
    return [word for folder in rtl_dirs for word in ("-y", str(folder), f"-I{folder}")]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def _file_of(toplevel: str, rtl_dirs: Sequence[Path]) -> Path:
    for folder in rtl_dirs:
        if (folder / f"{toplevel}.v").is_file():
            return folder / f"{toplevel}.v"
    raise AssertionError(f"no {toplevel}.v in {', '.join(map(str, rtl_dirs))}")


def _why(case: ElementTree.Element) -> str:
    """What a cocotb test asserted or raised; "" if it passed."""
    found = next((part for name in ("failure", "error") if (part := case.find(name)) is not None), None)
    if found is None:
        return ""
    return f"{found.get('type', '')} {' '.join(found.get('message', '').split())}".strip() or "failed"


def _write_dump(build_dir: Path, toplevel: str) -> Path:
    """A second toplevel that records all signals; cocotb's own one is not accepted by Icarus 11."""
    dump = build_dir / "dump.v"
    fst = build_dir / f"{toplevel}.fst"
    dump.write_text(f'module dump;\n    initial begin $dumpfile("{fst}"); $dumpvars(0, {toplevel}); end\nendmodule\n')
    return dump


def _tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.is_file() else f"({log} is missing)"


def _build_dir(
    toplevel: str,
    test_module: str,
    parameters: Parameters,
    testcase: str | Sequence[str] | None,
    seed: int,
    env: Mapping[str, str] | None,
) -> Path:
    """One folder per distinct run, so that tests may run side by side."""
    cases = [testcase] if isinstance(testcase, str) else list(testcase or [])
    settings = [f"{name}{value}" for name, value in sorted({**parameters, **(env or {})}.items())]
    name = "-".join([toplevel, *settings, *cases, f"seed{seed}"])
    return BUILD / test_module.rsplit(".", maxsplit=1)[-1] / re.sub(r"[^A-Za-z0-9_.=-]", "_", name)
