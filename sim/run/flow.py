"""One run from end to end: prepare, compile, golden, RTL, verdict, result."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mapping.compile import compile_network
from mapping.converters import with_calibrated_converters
from mapping.placement.fixed import placement_text
from mapping.placement.ledger import Options
from pyimc import golden, program_file
from pyimc.arch import Arch, load_arch
from pyimc.cycle.model import simulate as predict
from pyimc.energy.costs import COSTS, costs_for
from pyimc.errors import ConfigError, DeadlockError, EncodingError, ImcError, InfidelityError, MismatchError
from pyimc.network import Network
from pyimc.physical import run_all
from pyimc.program import Program
from sim.report.observe import observe
from sim.report.timeline import MARGIN_EVENTS, WINDOW_EVENTS
from sim.run import answers
from sim.run.answers import TAIL
from sim.run.asked import check_cells, check_images
from sim.run.chain import doubt, lines
from sim.run.folder import BUILD, PROGRAM, Identity, claimed, given, reading, write_text
from sim.run.job import Job, Outcome
from sim.run.packets import table_packets
from sim.run.progress import Progress, planning
from sim.run.record import rtl_measurement
from sim.run.result import Run, write_result
from sim.run.verify import deadlock_reason, outputs, refusals, verdicts
from sim.run.waves import around, check_window, estimated_bytes, read_window, record, recorded
from sim.toolchain import simulator

if TYPE_CHECKING:
    from sim.run.prepare import Prepared

LEVELS = ("rtl", "cycle", "golden")
SLOW_NODES = 64  # above, RTL simulates less than some hundred cycles a second
PLACEMENT = "placement.yaml"  # of a run directory: what `--placement` takes
INPUTS = "inputs.json"  # of a run directory: hash of the model, labels of the images

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for; see `pyimc sim --help`.

    Without an architecture it is the model's own; without a folder the run has one in `build/` (`sim.run.folder`).
    """

    model: str
    arch: str | None
    strategy: str
    level: str
    images: int | None
    input: Path | None
    seed: int
    sim: str
    array: str
    front_door: bool
    trace: bool = False
    waves: str = ""
    options: Options = field(default_factory=dict)
    folder: Path | None = None
    costs: str = COSTS
    shapes: Mapping[str, int] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    tolerate: int = 0
    strict: bool = False
    labels: Path | None = None
    preprocess: Path | None = None
    calibrate: str = ""
    calibration: str = "minmax"


def simulate(request: Request, say: Say, progress: Progress) -> Run:
    """Runs a model; the result is in `result.json` of the run's folder and in the returned Run.

    Raises:
        ImcError: A user's mistake, or MismatchError or DeadlockError after the result has been written.
    """
    from mapping.models import model_arch  # ONNX and onnxruntime, 0.1 GB that a rerun does without
    from sim.run.prepare import Material, model_name, prepare

    _check_means(request.level, request.sim, request.array)
    check_window(request.waves, request.level)
    arch = load_arch(request.arch or model_arch(request.model))
    costs = costs_for(request.costs, arch)
    name = model_name(request.model)
    seconds: dict[str, float] = {}
    with _timed(seconds, "prepare"):
        material = Material(request.labels, request.preprocess, request.calibrate, request.calibration)
        prepared = prepare(
            request.model, request.images, request.input, request.shapes, request.outputs, material, request.level
        )
    for line in prepared.notes:
        say(line)
    for line in _check_lines(prepared):
        say(line)
    with _timed(seconds, "compile"):
        network = with_calibrated_converters(prepared.network, arch, prepared.calibration)
        with planning(progress):
            program = compile_network(network, arch, request.strategy, request.options, request.seed)
    check_images(program, len(prepared.images))
    check_cells(arch, request.level, request.array, request.front_door)
    with claimed(_identity(request, name, arch), request.folder) as folder:
        (folder / TAIL).write_bytes(prepared.tail.SerializeToString())
        run = Run(
            folder=folder, program=program, level=request.level, model_hash=prepared.model_hash, seed=request.seed,
            sim=request.sim, array=request.array, images=prepared.images, labels=prepared.labels,
            checks=prepared.checks, seconds=seconds, costs=costs, trace=request.trace, chain=prepared.chain,
            tolerate=request.tolerate, strict=request.strict, waves=request.waves,
            float_accuracy=asdict(prepared.accuracy) if prepared.accuracy else None,
        )  # fmt: skip
        return _execute(run, request.front_door, say, progress)


def rerun(
    earlier: Path, level: str, sim: str, array: str, front_door: bool, costs: str, output: Path | None, say: Say,
    progress: Progress, trace: bool = False,
) -> Run:  # fmt: skip
    """Runs the Program and the images of an earlier run again, from disk, in a folder of its own.

    Raises:
        ImcError: As `simulate`; EncodingError if the Program is not what its manifest says.
    """
    _check_means(level, sim, array)
    if output and output.resolve() == earlier.resolve():
        raise ConfigError(f"{output}: is the run that is to be run again; name another folder with --output")
    with reading(earlier):
        program = program_file.load(earlier / PROGRAM)
        try:
            for _ in table_packets(program):
                pass
        except EncodingError as error:
            raise EncodingError(f"{earlier / PROGRAM}: a table is out of range ({error}); compile it again") from None
        images, inputs = _inputs(earlier)
    shape = program.network.tensors[program.network.input].shape
    if images.shape[1:] != shape:
        raise ConfigError(f"{earlier}: images are {images.shape[1:]}, the Program takes {shape}; run the model again")
    chosen = costs_for(costs, program.arch)
    check_images(program, len(images))
    check_cells(program.arch, level, array, front_door)
    identity = Identity(f"{earlier.resolve().name}-rerun-{level}", (str(earlier.resolve()),))
    with claimed(identity, output) as folder:
        if (earlier / TAIL).is_file():
            shutil.copyfile(earlier / TAIL, folder / TAIL)
        run = Run(
            folder=folder, program=program, level=level, model_hash=inputs["model_sha256"], seed=program.origin.seed,
            sim=sim, array=array, images=images, labels=None if inputs["labels"] is None else tuple(inputs["labels"]),
            checks=(), seconds={}, costs=chosen, trace=trace, chain=inputs.get("chain"),
            float_accuracy=inputs.get("float_accuracy"),
        )  # fmt: skip
        return _execute(run, front_door, say, progress)


def run_program(
    prepared: Prepared, program: Program, level: str, images: int, sim: str, array: str, output: Path | None = None
) -> Run:
    """Runs a Program that has been compiled, on the images of its model, which repeat; says nothing meanwhile.

    Raises:
        ImcError: As `simulate`.
    """
    _check_means(level, sim, array)
    if images < 1:
        raise ConfigError(f"images is {images}, must be 1 or more")
    check_images(program, images)
    check_cells(program.arch, level, array, False)
    chosen = np.resize(np.arange(len(prepared.images)), images)
    labels = None if prepared.labels is None else tuple(prepared.labels[index] for index in chosen.tolist())
    identity = Identity(
        f"{program.network.name}-{program.arch.name}-api-{level}", (program_file.program_hash(program), str(images))
    )
    with claimed(identity, output) as folder:
        (folder / TAIL).write_bytes(prepared.tail.SerializeToString())
        run = Run(
            folder=folder, program=program, level=level, model_hash=prepared.model_hash, seed=program.origin.seed,
            sim=sim, array=array, images=prepared.images[chosen], labels=labels, checks=prepared.checks, seconds={},
            costs=costs_for(COSTS, program.arch), chain=prepared.chain,
        )  # fmt: skip
        return _execute(run, False, lambda line: None, lambda progress: None)


def _identity(request: Request, name: str, arch: Arch) -> Identity:
    sources = [
        hashlib.sha256(Path(file).read_bytes()).hexdigest() if Path(file).is_file() else file
        for file in (request.model, request.strategy)
    ]
    name = f"{name}-{arch.name}-{Path(request.strategy).stem}-{request.level}"
    return Identity(name, (*sources, arch.model_dump_json()), given(_means(request), request.seed))


def _means(request: Request) -> Options:
    """What the user gave that makes another network or another Program of the same files."""
    shapes = {f"shape {name}": size for name, size in request.shapes.items()}
    others = {
        "outputs": ",".join(request.outputs),
        "preprocess": str(request.preprocess or ""),
        "calibrate": request.calibrate,
        "calibration": "" if request.calibration == "minmax" else request.calibration,
    }
    return {**request.options, **shapes, **{name: value for name, value in others.items() if value}}


def _check_means(level: str, sim: str, array: str) -> None:
    """Before anything is written: names that exist, a simulator that is installed."""
    if level not in LEVELS:
        raise ConfigError(f"unknown level '{level}'; known: {', '.join(LEVELS)}")
    if sim not in simulator.SIMULATORS:
        raise ConfigError(f"unknown simulator '{sim}'; known: {', '.join(simulator.SIMULATORS)}")
    if array not in simulator.ARRAYS:
        raise ConfigError(f"unknown array '{array}'; known: {', '.join(simulator.ARRAYS)}")
    if level == "rtl":
        simulator.SIMULATORS[sim].version()


def _inputs(folder: Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """The images of an earlier run, uint8 [images, height, width, channels], and what INPUTS holds."""
    if not (folder / "images.npy").is_file() or not (folder / INPUTS).is_file():
        raise ConfigError(f"{folder}: holds no images.npy and {INPUTS}; give the directory of an earlier run")
    try:
        images, inputs = np.load(folder / "images.npy"), json.loads((folder / INPUTS).read_text())
        if images.ndim != 4 or not len(images) or inputs.keys() < {"model_sha256", "labels"}:
            raise ValueError("not as a run writes them")
    except (ValueError, EOFError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{folder}: images.npy or {INPUTS} cannot be read ({reason}); run the model again") from None
    return images, inputs


def _execute(run: Run, front_door: bool, say: Say, progress: Progress) -> Run:
    with _timed(run.seconds, "save"):
        program_file.save(run.program, run.folder / PROGRAM)
        np.save(run.folder / "images.npy", run.images)
        inputs = {"model_sha256": run.model_hash, "labels": run.labels, "chain": run.chain}
        inputs["float_accuracy"] = run.float_accuracy
        write_text(run.folder / INPUTS, json.dumps(inputs) + "\n")
        write_text(run.folder / PLACEMENT, placement_text(run.program))
    if run.level == "cycle":
        _predict(run)
        return _finish(run, say)
    with _timed(run.seconds, "golden"):
        goldens = _golden(run)
    if run.level == "rtl":
        if run.program.arch.nodes > SLOW_NODES:
            say(f"RTL of {run.program.arch.nodes} nodes is slow: level cycle gives the same cycles in seconds")
        with _timed(run.seconds, "build"):
            build_dir = simulator.build(run.sim, run.program.arch, run.array, BUILD / "simulator")
        run.simulator = simulator.SIMULATORS[run.sim].version()
        job = Job(run.array, front_door)
        with _timed(run.seconds, "simulator"):
            outcome = simulator.run(run.sim, build_dir, run.folder.resolve(), job, run.seed, progress)
        run.seconds |= {"load": outcome.load_seconds, "run": outcome.run_seconds}
        run.load_cycles = outcome.load_cycles
        with _timed(run.seconds, "verify"):
            run.measured = rtl_measurement(run.program, run.folder)
            run.verdicts = verdicts(run.program, goldens, run.folder, outcome.begin_cycle)
            run.rtl_outputs = outputs(run.program.network, run.program, run.folder, len(run.images))
    with _timed(run.seconds, "host"):
        run.answers["golden"] = answers.complete(run.folder, run.golden_outputs, run.images)
        if not run.program.arch.crossbar.exact:
            run.answers["physical"] = answers.complete(run.folder, run.physical_outputs, run.images)
        if run.rtl_outputs:
            run.answers["rtl"] = answers.complete(run.folder, run.rtl_outputs, run.images)
        chip = run.answers.get("physical", run.answers["golden"])
        answers.save(run.folder / answers.OUTPUTS, run.answers.get("rtl") or chip)
    return _finish(run, say)


def _golden(run: Run) -> list[dict[str, golden.Map]]:
    """The outputs of both golden models, and all values of the physical one where RTL is to be compared with them."""
    network, crossbar = run.program.network, run.program.arch.crossbar
    goldens: list[dict[str, golden.Map]] = []
    kept = goldens if run.level == "rtl" else None
    run.physical_outputs = _outputs(network, run_all(network, crossbar, run.images), kept)
    run.golden_outputs = run.physical_outputs
    if not crossbar.exact:
        run.golden_outputs = _outputs(network, golden.run_all(network, run.images))
    return goldens


def _outputs(
    network: Network, computed: Iterator[dict[str, golden.Map]], kept: list[dict[str, golden.Map]] | None = None
) -> list[NDArray[np.uint8]]:
    """Per output, uint8 [images, height, width, channels]; all values of every image are added to `kept`."""
    outputs: dict[str, list[golden.Map]] = {name: [] for name in network.outputs}
    for values in computed:
        for name, output in outputs.items():
            output.append(values[name])
        if kept is not None:
            kept.append(values)
    return [np.stack(output) for output in outputs.values()]


def _finish(run: Run, say: Say) -> Run:
    """Writes what people look at, then `result.json`, which says that all is there; raises what the run deserves."""
    if run.waves and run.measured:
        window = read_window(run.waves, run.program, run.measured)
        say(f"waves of {window}, about {estimated_bytes(window, run.program) / 1e6:.1f} MB")
        say(str(record(run.folder, run.program, run.array, window)))
    fault: ImcError | None = None
    try:
        _judge(run)
    except (MismatchError, DeadlockError) as error:
        fault = type(error)(f"{error}{_waves_of_failure(run)}")
    except ImcError as error:
        fault = error
    with _timed(run.seconds, "report"):
        for path in observe(run, str(fault or "")):
            say(str(path))
    write_result(run)
    if fault:
        raise fault
    return run


def _waves_of_failure(run: Run) -> str:
    """Records what went wrong on the chip, if something did, and says where the waves are."""
    wrong = [verdict.first for verdict in run.verdicts.values() if verdict.first]
    if wrong:
        first = min(wrong, key=lambda mismatch: mismatch.cycle)
        begin = Outcome.read(run.folder).begin_cycle
        return recorded(run.folder, run.program, run.array, around(first.cycle - begin, first.pu))
    if run.level == "rtl" and run.measured and run.measured.deadlock:
        return recorded(run.folder, run.program, run.array, around(run.measured.cycles_total, None))
    return ""


def _predict(run: Run) -> None:
    """Time without values: the cycle model, whose cycles are those of the RTL."""
    predict(run.program, 1)  # compiles the model, or finds it compiled
    with _timed(run.seconds, "run"):
        run.measured = predict(run.program, len(run.images), WINDOW_EVENTS + MARGIN_EVENTS, words=False)
    run.simulator = "cycle model"


def _judge(run: Run) -> None:
    """Raises what the run deserves."""
    worst = max(run.checks, key=lambda check: check.max_lsb, default=None)
    if worst and worst.max_lsb > 1:
        raise MismatchError(
            f"golden model against onnxruntime: node {worst.node} differs by {worst.max_lsb} LSB in {worst.differing} "
            f"of {worst.values} values; at most 1 is allowed"
        )
    if run.measured and (refused := refusals(run.program, run.measured)):  # whatever was wrong on the way
        raise DeadlockError(f"{refused}; the run ended in cycle {run.measured.cycles_total}")
    wrong = [verdict.first for verdict in run.verdicts.values() if verdict.first]
    if wrong:
        count = sum(verdict.mismatches for verdict in run.verdicts.values())
        raise MismatchError(f"{count} values differ; the first: {min(wrong, key=lambda mismatch: mismatch.cycle)}")
    if run.measured and run.measured.deadlock:
        reason = deadlock_reason(run.program, run.measured)
        raise DeadlockError(f"deadlock in cycle {run.measured.cycles_total}: {reason}")
    if run.level == "rtl":
        for node, verdict in run.verdicts.items():
            if verdict.mismatches:
                raise MismatchError(f"node {node} sent {verdict.mismatches} values too few or too many")
        for name, ours, rtl in zip(run.program.network.outputs, run.physical_outputs, run.rtl_outputs, strict=True):
            if not np.array_equal(ours, rtl):
                raise MismatchError(
                    f"output {name} reached the host with values that are not the {run.compared} model's"
                )
    if run.strict and run.chain and (sentence := doubt(run.chain, run.tolerate)):
        raise InfidelityError(sentence)


def _check_lines(prepared: Prepared) -> Iterator[str]:
    values = sum(check.values for check in prepared.checks)
    differing = sum(check.differing for check in prepared.checks)
    worst = max(check.max_lsb for check in prepared.checks)
    yield (
        f"golden against onnxruntime, layer by layer: {differing} of {values} values differ "
        f"({differing / values:.1e}), by at most {worst} LSB"
    )
    yield from lines(prepared.chain)


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[phase] = time.monotonic() - start
