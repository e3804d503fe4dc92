"""What the commands of `pyimc` have in common: their arguments, and what these may be."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mapping.compile import STRATEGY
from mapping.placement.ledger import Options
from pyimc.energy.costs import COSTS
from pyimc.errors import ConfigError
from pyimc.steady import MANY_IMAGES
from sim.lab.workers import add_workers
from sim.run.folder import BUILD


def natural(text: str) -> int:
    """A number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got '{text}', must be a whole number, 0 or more")
    return int(text)


def positive(text: str) -> int:
    """A number from 1 on."""
    if natural(text) == 0:
        raise argparse.ArgumentTypeError("got '0', must be a whole number, 1 or more")
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """Words between commas, each once."""
    return tuple(dict.fromkeys(filter(None, text.split(","))))


def naturals(text: str) -> tuple[int, ...]:
    """Numbers between commas, each once."""
    return tuple(dict.fromkeys(positive(part) for part in text.split(",")))


def model_arguments(parser: argparse.ArgumentParser) -> None:
    """A model, a chip and a placement."""
    parser.add_argument(
        "--model", default="resnet18", help="resnet18, resnet8, yolov8n, digits or the path of an .onnx file"
    )
    parser.add_argument(
        "--arch", help="default, detector, tiny or the path of a .yaml file (default: default; yolov8n: detector)"
    )
    parser.add_argument("--strategy", default=STRATEGY, help="a name, or the path of a .py file with a function place")
    parser.add_argument(
        "--placement", dest="strategy", metavar="FILE", help="a placement.yaml, as every run writes one, for --strategy"
    )
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of compiler or strategy")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--shape", action="append", default=[], metavar="NAME=N", help="a symbolic size of the input")
    parser.add_argument("--outputs", type=names, default=(), help="tensors behind which all is left to the host")


def compare_arguments(parser: argparse.ArgumentParser) -> None:
    """Of a comparison."""
    parser.add_argument("--model", action="append", default=[], help="as for sim, any number (default: all built in)")
    parser.add_argument("--strategy", action="append", default=[], help="as for sim, any number (default: all)")
    parser.add_argument("--arch", action="append", default=[], help="as for sim, any number (default: as for sim)")
    parser.add_argument("--pus", type=naturals, help="crossbar PUs that --arch is given instead of its own, as in 2,4")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of compiler or strategy")
    parser.add_argument("--seeds", type=positive, default=5, help="runs of a strategy that draws numbers")
    parser.add_argument("--images", type=positive, default=MANY_IMAGES)
    parser.add_argument("--rtl", type=natural, default=0, help="rows to measure on RTL: highest, lowest rates first")
    parser.add_argument("--sim", default="icarus", help="for --rtl: icarus or verilator")
    add_workers(parser)
    parser.add_argument("--output", type=Path, default=BUILD / "compare", help="directory of tables and plots")


def regress_arguments(parser: argparse.ArgumentParser) -> None:
    """Of a regression."""
    parser.add_argument("--manifest", type=Path, default=Path("regress.yaml"), help="the rows (default: regress.yaml)")
    parser.add_argument("--baselines", type=Path, default=Path("tests", "baselines"), help="where figures are recorded")
    parser.add_argument("--quick", action="store_true", help="only the groups that are marked quick")
    parser.add_argument("--accept", metavar="REASON", help="record what the rows give now")
    add_workers(parser)


def level_argument(parser: argparse.ArgumentParser) -> None:
    """How far it goes."""
    parser.add_argument("--level", default="rtl", help="rtl (the measurement), cycle (time only), golden (values only)")


def costs_argument(parser: argparse.ArgumentParser) -> None:
    """What energy and area are counted by."""
    parser.add_argument(
        "--costs", default=COSTS, help=f"energy and area: sram28, isaac32, hermes14 or a .yaml file (default: {COSTS})"
    )


def rtl_arguments(parser: argparse.ArgumentParser) -> None:
    """How RTL is simulated."""
    parser.add_argument(
        "--sim", default="icarus", help="icarus, or verilator: minutes to build, then ten times as fast"
    )
    parser.add_argument("--array", default="verilog", help="who computes column sums: verilog or numpy")
    parser.add_argument("--trace", action="store_true", help="write trace.json.gz, a timeline for ui.perfetto.dev")
    parser.add_argument("--front-door", action="store_true", help="send the weights as packets (slow, cycles counted)")


def inputs_arguments(parser: argparse.ArgumentParser) -> None:
    """Images, their classes, how they become model input, calibration."""
    add = parser.add_argument
    add("--input", type=Path, help="a picture, a folder of them, .npy, .npz with x and y (default: a photograph)")
    add("--labels", type=Path, help="classes of the images: lines NAME CLASS or CLASS, or .npy")
    add("--preprocess", type=Path, help="a .yaml file: scale, mean, deviation, order, resize (default: MODEL's own)")
    add("--calibrate", default="", help="how many of the images, or a folder, .npy or .npz (default: the first 32)")
    add("--calibration", default="minmax", help="minmax, entropy or percentile")


def json_argument(parser: argparse.ArgumentParser) -> None:
    """For programs that read."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text; all else goes to stderr")


def output_argument(parser: argparse.ArgumentParser) -> None:
    """Where a run is left."""
    parser.add_argument("--output", type=Path, help="folder of the run (default: build/<model>-<arch>-...)")


def options(pairs: Sequence[str]) -> Options:
    """NAME=VALUE, each of which is a number if it looks like one."""
    options: dict[str, int | str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--option {pair}: write it as NAME=VALUE")
        options[name] = int(value) if value.lstrip("-").isdigit() else value
    return options


def sizes(pairs: Sequence[str]) -> dict[str, int]:
    """NAME=N."""
    sizes = {}
    for pair in pairs:
        name, _, size = pair.rpartition("=")
        if not (name and size.isdecimal() and int(size)):
            raise ConfigError(f"--shape {pair}: write it as NAME=N, N a whole number, 1 or more")
        sizes[name] = int(size)
    return sizes
