"""What the crossbar engine costs: a `pyimc.energy.model.EnergyModel`."""

from collections.abc import Iterator, Mapping

from pyimc.arch import Arch
from pyimc.energy.costs import Costs
from pyimc.energy.model import ACCUMULATOR_BITS, Events, touched_words
from pyimc.engines.engine import Fields
from pyimc.network import PARTIAL_BYTES

ACCUMULATOR_BANKS = 2


def events(arch: Arch, tables: Mapping[str, Fields], firing: Fields) -> Events:
    """A firing: rows driven, columns converted, what is gathered and drained."""
    crossbar, steps, pixels = arch.crossbar, arch.dac_steps, firing["pixels"]
    tiles, columns, window, channels = tables["TILES"], tables["COLUMNS"], tables["WINDOW"], tables["OUTPUT"]["columns"]
    rows = (tiles["row_tiles"] - 1) * crossbar.rows + tiles["last_rows"]
    groups = (columns["col_tiles"] - 1) * (crossbar.outputs // crossbar.adcs) + columns["last_groups"]
    planes = tiles["row_tiles"] * columns["col_tiles"]
    partial_words = -(-channels * PARTIAL_BYTES // arch.lanes) if columns["partial_in"] else 0
    reads = (tiles["row_tiles"] - 1) * crossbar.reads(crossbar.rows) + crossbar.reads(tiles["last_rows"])
    return Events(
        row_drives=pixels * steps * rows * columns["col_tiles"],
        cell_reads=pixels * steps * rows * channels * crossbar.cells,
        conversions=pixels * steps * reads * groups * crossbar.adcs * crossbar.slices,
        selected=(pixels if planes > 1 else 1) * rows * channels * crossbar.cells,
        gathered=pixels * rows,
        drained=pixels * channels,
        multiplications=0 if columns["partial_out"] else pixels * channels,
        additions=pixels * channels if columns["partial_in"] else 0,
        reads=sum(_window_reads(arch, window, firing, pixel) + partial_words for pixel in range(pixels)),
    )


def _window_reads(arch: Arch, window: Fields, firing: Fields, pixel: int) -> int:
    """Memory words that the gather reads for a window; a row tile that ends inside a word reads it twice."""
    first = firing["x0"] + pixel * window["step"]
    last = first + window["run"]
    if firing["rows"] == 0:
        return 0
    total, inside = 0, (max(first, 0), min(last, window["row_bytes"]))
    for row in range(firing["top"], firing["top"] + firing["rows"]):
        at = row * window["run"] - first  # from a byte of the row to its row of the matrix
        for start, end in _cuts(inside[0] + at, inside[1] + at, arch.crossbar.rows):
            total += touched_words(start - at, end - at, arch.lanes)
    return total


def _cuts(start: int, end: int, step: int) -> Iterator[tuple[int, int]]:
    """The pieces of a range between multiples of `step`."""
    while start < end:
        upper = min(end, (start // step + 1) * step)
        yield start, upper
        start = upper


def area_um2(arch: Arch, costs: Costs) -> dict[str, float]:
    """Cells, drivers, converters, and the memories of accumulators and of sums that come in."""
    area, crossbar = costs.area, arch.crossbar
    sites = crossbar.rows * crossbar.columns * costs.slices(arch)
    adcs = crossbar.adcs * costs.slices(arch)
    bits = arch.partial_words * arch.word_bits + ACCUMULATOR_BANKS * arch.output_columns * ACCUMULATOR_BITS
    return {
        "cells": sites * (crossbar.planes * area.cell.value + area.site.value),
        "rows": crossbar.rows * area.row.value,
        "adcs": adcs * costs.adc_um2,
        "accumulation": adcs * area.column.value,
        "memories": bits * area.memory.value,
        "logic": area.imc.value,
    }


def leakage_mw(costs: Costs) -> float:
    """Of a crossbar unit."""
    return costs.leakage.imc.value
