# SPDX-License-Identifier: Apache-2.0
"""`pyimc pack`: how many crossbar planes a network takes, packed in several ways, and the windows of its layers."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyimc.arch import load_arch
from pyimc.errors import ConfigError

if TYPE_CHECKING:  # they would import ONNX and ortools
    from mapping.packing.compare import Line
    from mapping.packing.windows import Windows

    Commands = argparse._SubParsersAction[Any]


def add_pack(commands: Commands) -> None:
    """Declares `pyimc pack`."""
    packing = commands.add_parser("pack", help="pack a model's weights into few crossbar planes, in several ways")
    packing.add_argument("--model", default="resnet18", help="as for sim")
    packing.add_argument("--arch", help="as for sim")
    packing.add_argument("--macros", default="", metavar="RxCxNxP", help="rows, columns, macros and their planes")
    packing.add_argument("--output", type=Path, help="a .json file for the windows of every layer")
    packing.set_defaults(command=_print)


def _print(parsed: argparse.Namespace) -> None:
    for line in report(parsed.model, parsed.arch, parsed.macros, parsed.output):
        print(line, flush=True)


def report(model: str, arch: str | None, sizes: str, output: Path | None) -> Iterator[str]:
    """Lines for the terminal; the table is Markdown.

    Args:
        model: Name or path.
        arch: Whose crossbars are packed; None for the model's own.
        sizes: "rows x columns x macros x planes" instead, as in 256x16x4x8; "" for none.
        output: A JSON file for the windows.

    Raises:
        ConfigError: Sizes that are not understood.
        CapacityError: The layers do not fit the planes, even folded.
    """
    from mapping.models import load_model, model_arch
    from mapping.packing.columns import pack
    from mapping.packing.compare import lines
    from mapping.packing.reload import DRAM_PJ, edp_factors
    from mapping.packing.shapes import layers_of
    from mapping.packing.tiles import Macros

    chip = load_arch(arch or model_arch(model))
    macros = Macros(chip.crossbar.rows, chip.crossbar.columns, len(chip.imcs), chip.crossbar.planes)
    group = chip.crossbar.adcs
    if sizes:
        macros, group = Macros(*_sizes(sizes)), 1
    layers = layers_of(load_model(model))
    packed = pack(layers, macros, exact=True)
    yield (
        f"{model}: {len(layers)} layers, {sum(layer.weights for layer in layers)} weights, "
        f"{sum(layer.macs for layer in layers)} multiply-accumulates; "
        f"{macros.count} macros of {macros.planes} planes of {macros.rows} x {macros.columns}"
    )
    found, windows = lines(layers, macros, group)
    yield "| packing | planes of the largest macro | planes | cells in use | cycles, layer by layer |"
    yield "|---|---:|---:|---:|---:|"
    yield from map(_line, found)
    if output:
        _write(windows, output)
        yield f"{output}: windows of every layer (resident)"
    folded = ", ".join(f"{name} {times}" for name, times in packed.folds.items()) or "none"
    yield (
        f"in macros of {macros.planes} planes (greedy): heights {' '.join(map(str, packed.heights))}, "
        f"folds beyond the initial ones: {folded}"
    )
    if all(size & (size - 1) == 0 for size in (macros.rows, macros.columns)):  # what the model of a macro takes
        factors = zip(edp_factors(packed.tilings, macros), DRAM_PJ, strict=True)
        said = ", ".join(f"{factor:.3g} at {dram_pj} pJ/bit" for factor, dram_pj in factors)
        yield f"weights loaded again for every image: energy x delay times {said} (digital SRAM macros, 28 nm, a model)"


def _sizes(sizes: str) -> tuple[int, int, int, int]:
    parts = sizes.split("x")
    if len(parts) != 4 or not all(part.isdecimal() and int(part) for part in parts):
        raise ConfigError(f"--macros {sizes}: write it as ROWSxCOLUMNSxMACROSxPLANES, such as 256x16x4x8; 1 or more")
    rows, columns, macros, planes = map(int, parts)
    return rows, columns, macros, planes


def _line(line: Line) -> str:
    largest = str(line.largest)
    if line.bound:
        largest += " (proven)" if line.bound == line.largest else f" (at least {line.bound})"
    return f"| {line.name} | {largest} | {line.planes} | {line.use:.1%} | {line.cycles} |"


def _write(windows: Windows, path: Path) -> None:
    """Windows by layer, in one step: where in a macro, and where in the layer's matrix."""
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: its directory does not exist; create it first")
    said: dict[str, list[dict[str, int]]] = {}
    for piece, (macro, place) in sorted(windows.places.items(), key=lambda item: (item[0].layer, item[0].index)):
        said.setdefault(piece.layer, []).append(
            {"macro": macro} | place._asdict() | {"rows": piece.size.rows, "columns": piece.size.columns,
             "matrix_row": piece.matrix_row, "matrix_column": piece.matrix_column}
        )  # fmt: skip
    scratch = path.with_name(f".{path.name}")
    scratch.write_text(json.dumps(said, indent=1) + "\n")
    os.replace(scratch, path)
