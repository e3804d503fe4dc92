# SPDX-License-Identifier: Apache-2.0
"""`pyimc pack`: how many crossbar planes a network takes, packed in several ways, and the windows of its layers."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyimc.arch import load_arch
from pyimc.errors import ConfigError
from sim.arguments import json_argument

if TYPE_CHECKING:  # they would import ONNX and ortools
    from mapping.packing.compare import Line
    from mapping.packing.tiles import Macros
    from mapping.packing.windows import Windows

    Commands = argparse._SubParsersAction[Any]


def add_pack(commands: Commands) -> None:
    """Declares `pyimc pack`."""
    adding = commands.add_parser("pack", help="pack a model's weights into few crossbar planes, in several ways")
    adding.add_argument("--model", default="resnet18", help="as for sim")
    adding.add_argument("--arch", help="as for sim")
    adding.add_argument("--macros", default="", metavar="RxCxNxP", help="rows, columns, macros and their planes")
    adding.add_argument("--output", type=Path, help="a .json file for the windows of every layer")
    json_argument(adding)
    adding.set_defaults(command=_print)


@dataclass(frozen=True, slots=True)
class Packing:
    """A network's weights on macros.

    Attributes:
        model: Name or path.
        layers, weights, macs: Of the model.
        macros: Where the weights go.
        packings: Ways to pack them.
        heights: Planes used of every macro by the greedy packing in so many planes as there are.
        folds: Beyond the initial ones, by layer, of the same.
        reload_factors: Energy x delay of loading all weights for every image, over this; by pJ a bit of DRAM.
    """

    model: str
    layers: int
    weights: int
    macs: int
    macros: Macros
    packings: Sequence[Line]
    heights: Sequence[int]
    folds: Mapping[str, int]
    reload_factors: Mapping[float, float]


def _print(parsed: argparse.Namespace) -> None:
    found = packing(parsed.model, parsed.arch, parsed.macros, parsed.output)
    if parsed.json:
        print(json.dumps(asdict(found), indent=1))
        return
    for line in _lines(found, parsed.output):
        print(line)


def packing(model: str, arch: str | None, sizes: str, output: Path | None) -> Packing:
    """Packs a network in every way.

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
    macros = Macros(chip.crossbar.rows, chip.crossbar.outputs, len(chip.imcs), chip.crossbar.planes)
    group = chip.crossbar.adcs
    if sizes:
        macros, group = Macros(*_sizes(sizes)), 1
    layers = layers_of(load_model(model))
    packed = pack(layers, macros, exact=True)
    found, windows = lines(layers, macros, group)
    if output:
        _write(windows, output)
    powers = all(size & (size - 1) == 0 for size in (macros.rows, macros.columns))  # what the model of a macro takes
    factors = dict(zip(DRAM_PJ, edp_factors(packed.tilings, macros), strict=True)) if powers else {}
    return Packing(
        model, len(layers), sum(layer.weights for layer in layers), sum(layer.macs for layer in layers), macros,
        tuple(found), tuple(packed.heights), dict(packed.folds), factors,
    )  # fmt: skip


def _lines(found: Packing, output: Path | None) -> Iterator[str]:
    """For the terminal; the table is Markdown."""
    yield (
        f"{found.model}: {found.layers} layers, {found.weights} weights, {found.macs} multiply-accumulates; "
        f"{found.macros.count} macros of {found.macros.planes} planes of {found.macros.rows} x {found.macros.columns}"
    )
    yield "| packing | planes of the largest macro | planes | cells in use | cycles, layer by layer |"
    yield "|---|---:|---:|---:|---:|"
    yield from map(_line, found.packings)
    if output:
        yield f"{output}: windows of every layer (resident)"
    folded = ", ".join(f"{name} {times}" for name, times in found.folds.items()) or "none"
    yield (
        f"in macros of {found.macros.planes} planes (greedy): heights {' '.join(map(str, found.heights))}, "
        f"folds beyond the initial ones: {folded}"
    )
    if found.reload_factors:
        said = ", ".join(f"{factor:.3g} at {dram_pj} pJ/bit" for dram_pj, factor in found.reload_factors.items())
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
