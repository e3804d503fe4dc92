"""What the digital engine costs: a `pyimc.energy.model.EnergyModel`."""

from collections.abc import Iterator, Mapping

from pyimc import isa
from pyimc.arch import Arch
from pyimc.energy.costs import Costs
from pyimc.energy.model import Events, touched_words
from pyimc.engines.engine import Fields


def events(arch: Arch, tables: Mapping[str, Fields], firing: Fields) -> Events:
    """A firing, chunk by chunk as it reads."""
    vector, window, pixels = tables["VECTOR"], tables["WINDOW"], firing["pixels"]
    if vector["operation"] == isa.OPERATIONS["MATMUL"]:
        return _matmul(arch, tables, pixels)
    reads = operands = outputs = 0
    weighs = vector["operation"] == isa.OPERATIONS["DEPTHWISE"]
    for pixel in range(pixels):
        for run, taps in _taps(vector, window, firing, pixel):
            outputs += run
            for tap in taps:
                if 0 <= tap < window["row_bytes"]:
                    operands += firing["rows"] * run
                    chunks = range(0, run, arch.lanes)
                    touched = (touched_words(tap + at, tap + min(at + arch.lanes, run), arch.lanes) for at in chunks)
                    reads += firing["rows"] * (sum(touched) + weighs * len(chunks))
    if vector["operation"] in (isa.OPERATIONS["SOFTMAX"], isa.OPERATIONS["NORMALISE"]):
        return _rows(reads, vector, window, pixels)
    looked_up = vector["operation"] == isa.OPERATIONS["LUT"]
    two = vector["operation"] in (isa.OPERATIONS["ADD"], isa.OPERATIONS["SUB"])
    factors = 2 if two else 0 if looked_up else 1
    multiplied = vector["operation"] == isa.OPERATIONS["MUL"]
    products = operands if weighs else outputs if multiplied else 0
    operands -= operands if multiplied else 0
    return Events(reads=reads, additions=operands, multiplications=factors * outputs, products=products)


def _matmul(arch: Arch, tables: Mapping[str, Fields], groups: int) -> Events:
    """A firing of matmul: for every word of output, the factors of the group and a word of each of their pixels."""
    inner, pitch, run = tables["MATRIX"]["inner"], tables["MATRIX"]["pitch"], tables["WINDOW"]["run"]
    reads = 0
    for group in range(groups):
        first = group % (tables["VECTOR"]["repeat"] + 1) * tables["WINDOW"]["step"]
        for at in range(0, run, arch.lanes):
            places = range(first + at, first + at + inner * pitch, pitch)
            reads += touched_words(group * inner, (group + 1) * inner, arch.lanes)
            reads += sum(touched_words(place, place + min(arch.lanes, run - at), arch.lanes) for place in places)
    return Events(reads=reads, multiplications=groups * run, products=groups * inner * run)


def _rows(reads: int, vector: Fields, window: Fields, readings: int) -> Events:
    """A firing of softmax (two products for a power, which is computed twice) or normalise (squares)."""
    outputs = readings // (vector["repeat"] + 1) * window["run"]
    products = 4 * outputs if vector["operation"] == isa.OPERATIONS["SOFTMAX"] else outputs
    return Events(reads=reads, additions=3 * outputs, multiplications=outputs, products=products)


def _taps(vector: Fields, window: Fields, firing: Fields, pixel: int) -> Iterator[tuple[int, list[int]]]:
    """Bytes of an output pixel, and where the operands of the first of them lie in their rows."""
    if vector["operation"] == isa.OPERATIONS["CONCAT"]:
        for run in (window["run"], window["step"]):
            yield run, [pixel * run]
        return
    x = firing["x0"] + pixel // (vector["repeat"] + 1) * window["step"]
    if vector["operation"] in (isa.OPERATIONS[name] for name in isa.PAIRS):
        yield window["run"], [x, 0 if vector["broadcast"] else x]
        return
    yield window["run"], [x + column * window["run"] for column in range(vector["kernel_columns"])]


def area_um2(arch: Arch, costs: Costs) -> dict[str, float]:
    """Its logic and the memory of its weights."""
    bits = arch.weight_words * arch.word_bits
    return {"memories": bits * costs.area.memory.value, "logic": costs.area.dpu.value}


def leakage_mw(costs: Costs) -> float:
    """Of a digital unit."""
    return costs.leakage.dpu.value
