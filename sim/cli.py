"""The `pyimc` command line."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from mapping.actors.buffers import smallest_rings
from mapping.compile import compile_network
from mapping.converters import with_calibrated_converters
from pyimc import __version__, program_file
from pyimc.arch import load_arch
from pyimc.assembler import assemble, disassemble
from pyimc.energy.costs import COSTS
from pyimc.errors import ConfigError, EncodingError, ImcError
from pyimc.steady import MANY_IMAGES
from sim import arguments
from sim.completion import SHELLS, script
from sim.lab.benchmark import benchmark
from sim.lab.energy import add_energy
from sim.lab.growth import growth
from sim.lab.packing import add_pack
from sim.lab.sweep import accuracy_sweep, add_sweep, print_points, read_keys, records, sweep, write_points
from sim.lab.workers import add_workers, chosen_workers
from sim.manual import write_manual
from sim.report.command import add_report_commands
from sim.report.show import lines, view
from sim.run.chain import doubt
from sim.run.flow import Request, rerun, simulate
from sim.run.folder import Identity, given
from sim.run.progress import planning, progress_line, terminal
from sim.run.result import Run, print_table, result
from sim.run.validation import validate

SIZES = (2, 4, 8, 16, 32)  # crossbar PUs of a comparison
CLOSED_PIPE = 128 + 13  # as a shell says of a process that SIGPIPE ended
REMEDIES = {
    errno.ENOSPC: "make room and run it again",
    errno.EDQUOT: "make room and run it again",
    errno.EROFS: "go to a directory that you may write in, or name one with --output",
    errno.EACCES: "go to a directory that you may write in, or name one with --output",
    errno.EPERM: "go to a directory that you may write in, or name one with --output",
    errno.ENOENT: "nothing can be created there; go to another directory, or name one with --output",
    errno.ENAMETOOLONG: "use shorter names",
}


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0 if all is well, 1 on a mismatch or deadlock, 2 on a user's mistake or what the file system refuses: then one
        line says which; 130 after a Ctrl-C; CLOSED_PIPE, without a word, if nobody reads what is printed any more.
    """
    parsed = command_parser().parse_args(words)
    try:
        parsed.command(parsed)
        sys.stdout.flush()
    except ImcError as error:
        print(f"pyimc: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("pyimc: interrupted; start it again, what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_output()
        return CLOSED_PIPE
    except OSError as error:
        if error.filename is None:  # no file of ours: what is printed goes nowhere
            _drop_output()
        where = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "output"
        remedy = REMEDIES.get(error.errno or 0, "remove what is in the way, or name another folder with --output")
        print(f"pyimc: {where}: {error.strerror or error}; {remedy}", file=sys.stderr)
        return 2
    return 0


def _drop_output() -> None:
    """Sends what is still to be printed nowhere, so that Python's own end has nothing to complain of."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Says on one line what it does not understand."""

    def error(self, message: str) -> NoReturn:
        """Exits with 2."""
        print(f"pyimc: {message}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def command_parser() -> argparse.ArgumentParser:
    """All commands with their arguments, examples and exit codes."""
    parser = _Parser(prog="pyimc", description="In-memory-computing co-simulation, cycle by cycle.")
    parser.add_argument("--version", action="version", version=f"pyimc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    sim = commands.add_parser("sim", help="run a model on the chip and prove every value")
    arguments.model_arguments(sim)
    arguments.level_argument(sim)
    sim.add_argument("--images", type=int, help=f"how many (default: 4, labelled 32, {MANY_IMAGES} at level cycle)")
    arguments.inputs_arguments(sim)
    arguments.rtl_arguments(sim)
    arguments.costs_argument(sim)
    arguments.output_argument(sim)
    sim.add_argument(
        "--tolerate", type=arguments.natural, default=0, help="images whose answer quantisation may change (0)"
    )
    sim.add_argument("--waves", default="", metavar="WINDOW", help="record 1 (all), pu3, image2, pu3@100..200")
    sim.add_argument("--strict", action="store_true", help="exit with 1 if the quantised network is not the given one")
    arguments.json_argument(sim)
    sim.set_defaults(command=_sim)

    again = commands.add_parser("rerun", help="run the Program and images of an earlier run again, from disk")
    again.add_argument("run", type=Path, help="a directory such as build/digits-default-lblp-rtl")
    arguments.level_argument(again)
    arguments.rtl_arguments(again)
    arguments.costs_argument(again)
    arguments.output_argument(again)
    arguments.json_argument(again)
    again.set_defaults(command=_rerun)

    validator = commands.add_parser("validate", help="run RTL and cycle model and compare every event and figure")
    arguments.model_arguments(validator)
    validator.add_argument("--images", type=int, help="how many (default: 4, labelled 32)")
    arguments.inputs_arguments(validator)
    arguments.rtl_arguments(validator)
    arguments.output_argument(validator)
    validator.add_argument("--waves", default="", help="as for sim")
    arguments.json_argument(validator)
    validator.set_defaults(command=_validate)

    compiler = commands.add_parser("compile", help="compile a model to a Program and print where its nodes are")
    arguments.model_arguments(compiler)
    compiler.add_argument("--output", type=Path, help="directory of the Program (default build/<model>-<arch>-...)")
    arguments.json_argument(compiler)
    compiler.set_defaults(command=_compile)

    showing = commands.add_parser("show", help="print an architecture, a model or a schedule, as text or Graphviz")
    showing.add_argument("what", choices=("arch", "model", "schedule"))
    showing.add_argument("name", help="an architecture; a model; the folder of a run or of a Program")
    showing.add_argument("--arch", help="for a model: whose cycles and planes (default: as for sim)")
    showing.add_argument("--dot", action="store_true", help="Graphviz, for dot -Tsvg")
    arguments.json_argument(showing)
    showing.set_defaults(command=_show)

    disassembler = commands.add_parser("disasm", help="print an instruction stream as text")
    disassembler.add_argument("stream", type=Path, help="a stream.bin of a Program")
    disassembler.set_defaults(command=_disasm)

    assembler = commands.add_parser("asm", help="assemble text into an instruction stream")
    assembler.add_argument("text", type=Path)
    assembler.add_argument("stream", type=Path, help="the stream.bin to write")
    assembler.set_defaults(command=_asm)

    sealer = commands.add_parser("seal", help="accept a deliberate edit: recompute a Program's hashes")
    sealer.add_argument("program", type=Path)
    sealer.set_defaults(command=lambda parsed: print(program_file.seal(parsed.program)))

    breaker = commands.add_parser("corrupt", help="flip one bit of a Program and seal it, to see the checks fail")
    breaker.add_argument("program", type=Path)
    breaker.add_argument("file", help="such as pu_03/weights.bin")
    breaker.add_argument("bit", type=arguments.natural)
    breaker.set_defaults(command=lambda parsed: print(program_file.flip_bit(parsed.program, parsed.file, parsed.bit)))

    comparison = commands.add_parser("compare", help="compare strategies over models and chips of several sizes")
    arguments.compare_arguments(comparison)
    arguments.json_argument(comparison)
    comparison.set_defaults(command=_compare)

    sweeping = add_sweep(commands)
    arguments.model_arguments(sweeping)
    arguments.json_argument(sweeping)
    sweeping.set_defaults(command=_sweep)

    regression = commands.add_parser("regress", help="run the rows of a regress.yaml against recorded baselines")
    arguments.regress_arguments(regression)
    arguments.json_argument(regression)
    regression.set_defaults(command=_regress)

    bench = commands.add_parser("bench", help="measure the speeds in docs/results.md")
    bench.set_defaults(command=lambda parsed: benchmark())

    growing = commands.add_parser("growth", help="measure how time and memory grow with the network and the chip")
    growing.set_defaults(command=lambda parsed: growth())

    add_energy(commands)
    add_pack(commands)
    add_report_commands(commands)

    studying = commands.add_parser("study", help="measure what cutting layers, pipelining and buffers bring")
    studying.add_argument(
        "studies", nargs="*", metavar="study", help="split, dataflow, buffers, packing, travel (default: all)"
    )
    add_workers(studying)
    studying.set_defaults(command=_study)

    completing = commands.add_parser("completion", help="print what a shell needs to complete these commands")
    completing.add_argument("shell", choices=SHELLS)
    completing.set_defaults(command=lambda parsed: print(script(command_parser(), parsed.shell)))
    write_manual(parser)
    return parser


def _request(parsed: argparse.Namespace) -> Request:
    return Request(
        model=parsed.model, arch=parsed.arch, strategy=parsed.strategy, level=parsed.level, images=parsed.images,
        input=parsed.input, seed=parsed.seed, sim=parsed.sim, array=parsed.array, front_door=parsed.front_door,
        options=arguments.options(parsed.option), costs=parsed.costs, trace=parsed.trace, folder=parsed.output,
        shapes=arguments.sizes(parsed.shape), outputs=tuple(parsed.outputs),
        tolerate=parsed.tolerate, strict=parsed.strict,
        labels=parsed.labels, preprocess=parsed.preprocess, calibrate=parsed.calibrate,
        calibration=parsed.calibration, waves=parsed.waves,
    )  # fmt: skip


def _sim(parsed: argparse.Namespace) -> None:
    console = terminal(aside=parsed.json)
    with progress_line(console) as progress:
        run = simulate(_request(parsed), console.print, progress)
    _report(run, console, as_json=parsed.json)


def _validate(parsed: argparse.Namespace) -> None:
    parsed.level, parsed.costs, parsed.tolerate, parsed.strict = "rtl", COSTS, 0, False
    console = terminal(aside=parsed.json)
    with progress_line(console) as progress:
        run = simulate(_request(parsed), console.print, progress)
    print_table(run, console)
    compared = validate(run)
    if parsed.json:
        said = {"events": compared.events, "words": compared.words, "result": result(run)}
        print(json.dumps(said, indent=1))
        return
    console.print(
        f"{compared.events} events, {compared.words} words and every figure of the cycle model equal the RTL's"
    )
    console.print("PASS")


def _rerun(parsed: argparse.Namespace) -> None:
    console = terminal(aside=parsed.json)
    with progress_line(console) as progress:
        run = rerun(
            parsed.run, parsed.level, parsed.sim, parsed.array, parsed.front_door, parsed.costs, parsed.output,
            console.print, progress, parsed.trace,
        )  # fmt: skip
    _report(run, console, as_json=parsed.json)


def _report(run: Run, console: Console, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result(run), indent=1))
        return
    print_table(run, console)
    sentence = doubt(run.chain, run.tolerate) if run.chain else ""
    if sentence:
        console.print(sentence)
    console.print("PASS, of the network as it was quantised" if sentence else "PASS")


def _compile(parsed: argparse.Namespace) -> None:
    from mapping.models import model_arch  # ONNX and onnxruntime: only for what reads a model
    from sim.run.prepare import model_name, prepare

    arch = load_arch(parsed.arch or model_arch(parsed.model))
    with progress_line(terminal(aside=True)) as progress:  # a strategy that searches takes minutes
        prepared = prepare(parsed.model, 1, None, arguments.sizes(parsed.shape), parsed.outputs)
        options = arguments.options(parsed.option)
        network = with_calibrated_converters(prepared.network, arch, prepared.calibration)
        with planning(progress):
            program = compile_network(network, arch, parsed.strategy, options, parsed.seed)
    name = f"{model_name(parsed.model)}-{arch.name}-{Path(parsed.strategy).stem}-program"
    folder = parsed.output or Identity(name, (), given(arguments.options(parsed.option), parsed.seed)).folders()[0]
    digest = program_file.save(program, folder)
    least = {edge.name: edge.least_words for edge in smallest_rings(program)}
    hosted = {node: [actor for actor in program.actors if actor.node == node] for node in program.pus}
    if parsed.json:
        pus = [
            {"pu": node, "cycles": sum(actor.cycles for actor in actors), "actors": [actor.name for actor in actors]}
            for node, actors in hosted.items()
        ]
        rings = [
            {"channel": channel.name, "pu": channel.node, "words": channel.size, "least_words": least[channel.name]}
            for channel in program.channels
        ]
        print(json.dumps({"program": str(folder), "sha256": digest, "pus": pus, "rings": rings}, indent=1))
        return
    for node, actors in hosted.items():
        print(f"PU {node:3d} {sum(actor.cycles for actor in actors):9d} cycles  {' '.join(a.name for a in actors)}")
    for channel in program.channels:
        print(
            f"ring {channel.size:6d} words of {least[channel.name]:6d} at least, PU {channel.node:3d}  {channel.name}"
        )
    print(f"{folder} {digest}")


def _show(parsed: argparse.Namespace) -> None:
    if parsed.dot and parsed.json:
        raise ConfigError("--dot --json: one of them")
    if parsed.arch and parsed.what != "model":
        raise ConfigError("--arch: for pyimc show model only")
    for line in lines(view(parsed.what, parsed.name, parsed.arch), parsed.json * "json" or parsed.dot * "dot"):
        print(line)


def _sweep(parsed: argparse.Namespace) -> None:
    if parsed.shape or parsed.outputs:
        raise ConfigError("--shape, --outputs: not for a sweep; give a model that needs neither")
    console = terminal(aside=parsed.json)
    if parsed.level == "golden":
        rows = accuracy_sweep(
            parsed.model, parsed.arch, arguments.options(parsed.option), read_keys(parsed.keys), parsed.images,
            parsed.seeds, parsed.output, console,
        )  # fmt: skip
        if parsed.json:
            print(json.dumps(rows, indent=1))
        return
    points = sweep(
        parsed.model, parsed.arch, parsed.strategy, arguments.options(parsed.option), parsed.seed,
        MANY_IMAGES if parsed.images is None else parsed.images,
        read_keys(parsed.keys), chosen_workers(parsed), console,
    )  # fmt: skip
    paths = write_points(points, parsed.output)
    if parsed.json:
        print(json.dumps(records(points), indent=1))
    else:
        print_points(points, console)
        console.print(" ".join(map(str, paths)))


def _compare(parsed: argparse.Namespace) -> None:
    from sim.lab.compare.command import Matrix, compare  # ONNX, as above
    from sim.lab.compare.report import record

    matrix = Matrix(
        models=parsed.model, strategies=parsed.strategy, archs=parsed.arch,
        pus=parsed.pus or (() if parsed.arch else SIZES), seeds=parsed.seeds, images=parsed.images, rtl=parsed.rtl,
        sim=parsed.sim, options=arguments.options(parsed.option),
    )  # fmt: skip
    console = terminal(aside=parsed.json)
    found = compare(matrix, parsed.output, chosen_workers(parsed), console)
    if parsed.json:
        print(json.dumps([record(row) for row in found], indent=1))


def _regress(parsed: argparse.Namespace) -> None:
    from sim.lab.regress.command import accept, regress  # ONNX, as above

    if parsed.json and parsed.accept is not None:
        raise ConfigError("--json --accept: one of them")
    console = Console(highlight=False, soft_wrap=True, stderr=parsed.json)
    if parsed.accept is None:
        regress(
            parsed.manifest, parsed.baselines, quick=parsed.quick, jobs=chosen_workers(parsed), console=console,
            as_json=parsed.json,
        )  # fmt: skip
        console.print("PASS")
    else:
        workers = chosen_workers(parsed)
        accept(parsed.manifest, parsed.baselines, parsed.accept, quick=parsed.quick, jobs=workers, console=console)


def _study(parsed: argparse.Namespace) -> None:
    from sim.lab.studies.command import STUDIES, study  # ONNX, as above

    unknown = [name for name in parsed.studies if name not in STUDIES]
    if unknown:
        raise ConfigError(f"unknown study '{unknown[0]}'; known: {', '.join(STUDIES)}")
    study(parsed.studies, chosen_workers(parsed))


def _disasm(parsed: argparse.Namespace) -> None:
    print(disassemble(program_file.read_stream(parsed.stream)), end="")


def _asm(parsed: argparse.Namespace) -> None:
    if not parsed.text.is_file():
        raise EncodingError(f"{parsed.text}: no such file; give assembler text as `pyimc disasm` prints it")
    if not parsed.stream.parent.is_dir():
        raise ConfigError(f"{parsed.stream}: its directory does not exist; create it first")
    try:
        text = parsed.text.read_text()
    except UnicodeDecodeError:
        raise EncodingError(f"{parsed.text}: not a text; give assembler text as `pyimc disasm` prints it") from None
    program_file.write_stream(parsed.stream, assemble(text))


if __name__ == "__main__":
    sys.exit(main())
