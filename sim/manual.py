"""What `pyimc COMMAND --help` says after the list of arguments: examples, and what each exit code means there."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

MISTAKE = "a mistake of yours, or what a tool or the file system refuses; one line says which"
STRATEGY_FAULT = "an exception in your own strategy; the line has its file and line"
INTERRUPTED = "Ctrl-C; 143 after SIGTERM, 141 if nobody reads the output"
RUNS = {0: "every value was right", 1: "a mismatch or a deadlock, the first of which is named", 3: STRATEGY_FAULT}
PLANS = {0: "done", 3: STRATEGY_FAULT}
READS = {0: "done"}

PAGES: dict[str, tuple[tuple[str, ...], dict[int, str]]] = {
    "sim": (
        (
            "pyimc sim --model digits",
            "pyimc sim --model my.onnx --arch my.yaml --strategy round_robin --option slack_rows=1",
            "pyimc sim --model resnet18 --level cycle --json",
            "pyimc sim --model resnet8 --sim verilator --trace --waves pu3@10000..20000",
        ),
        RUNS | {1: f"{RUNS[1]}; with --strict also a doubtful quantisation"},
    ),
    "rerun": (
        (
            "pyimc rerun build/digits-default-lblp-rtl",
            "pyimc rerun build/digits-default-lblp-rtl --level cycle --output again",
        ),
        {0: RUNS[0], 1: RUNS[1]},
    ),
    "validate": (
        ("pyimc validate --model digits --images 2", "pyimc validate --model resnet8 --strategy lpt --sim verilator"),
        RUNS | {0: "every event and figure is the same", 1: "RTL and cycle model differ, the first event is named"},
    ),
    "compile": (("pyimc compile --model resnet8 --strategy heft", "pyimc compile --model digits --output p"), PLANS),
    "show": (
        (
            "pyimc show arch default",
            "pyimc show model resnet8 --arch default",
            "pyimc show schedule build/digits-default-lblp-rtl --dot | dot -Tsvg > schedule.svg",
        ),
        READS,
    ),
    "disasm": (("pyimc disasm build/digits-default-lblp-rtl/program/pu_01/stream.bin",), READS),
    "asm": (("pyimc asm stream.txt build/digits-default-lblp-rtl/program/pu_01/stream.bin",), READS),
    "seal": (("pyimc seal build/digits-default-lblp-rtl/program",), READS),
    "corrupt": (("pyimc corrupt build/digits-default-lblp-rtl/program pu_03/weights.bin 7",), READS),
    "compare": (
        (
            "pyimc compare --model resnet8 --strategy lblp --strategy lpt --pus 4,8",
            "pyimc compare --model resnet18 --arch examples/seven_dpus.yaml --rtl 2 --sim verilator",
        ),
        PLANS | {1: "RTL gave wrong values, or other cycles than the cycle model"},
    ),
    "sweep": (
        (
            "pyimc sweep --model digits --set crossbar.adcs=8,16,32",
            "pyimc sweep --model resnet8 --arch default --set crossbar.rows=64,128,256 --set crossbar.dac_bits=1,2",
        ),
        PLANS,
    ),
    "regress": (
        ("pyimc regress --quick", "pyimc regress --quick --accept 'the drain is a cycle shorter'"),
        {0: "all rows are as recorded", 1: "a row is not as it was, failed, or has no record"},
    ),
    "bench": (("pyimc bench",), READS),
    "growth": (("pyimc growth",), READS),
    "energy fit": (("pyimc energy fit", "pyimc energy fit my_silicon.yaml"), READS),
    "pack": (("pyimc pack --model resnet8", "pyimc pack --model resnet8 --macros 256x16x4x8 --output w.json"), READS),
    "explain": (("pyimc explain build/resnet8-default-lblp-cycle",), READS),
    "diff": (("pyimc diff build/digits-default-lblp-cycle build/digits-default-lpt-cycle",), READS),
    "study": (("pyimc study split --jobs 2",), READS),
    "completion": (('eval "$(pyimc completion bash)"', "pyimc completion fish | source"), READS),
}
"""By command: examples that can be typed as they stand, and exit codes besides those that all have."""


def write_manual(parser: argparse.ArgumentParser) -> None:
    """Gives every command its page.

    Raises:
        KeyError: A command has none.
    """
    parser.epilog = "pyimc COMMAND --help has examples and exit codes."
    for name, command in leaves(parser):
        examples, codes = PAGES[name]
        said = dict(sorted((codes | {2: MISTAKE, 130: INTERRUPTED}).items()))
        lines = ["examples:", *(f"  {example}" for example in examples), ""]
        lines += ["exit codes:", *(f"  {code:3d}  {meaning}" for code, meaning in said.items())]
        command.epilog = "\n".join(lines)
        command.formatter_class = argparse.RawDescriptionHelpFormatter


def leaves(parser: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that can be called, by its words."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for group in groups:
        for word, command in group.choices.items():
            yield from leaves(command, f"{before} {word}".strip())
    if not groups:
        yield before, parser
