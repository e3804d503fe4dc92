# SPDX-License-Identifier: Apache-2.0
"""Chips of real cells: RTL with either array has the values of physical golden, and the cycles of an ideal chip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mapping.compile import compile_network
from pyimc.arch import Arch, load_arch
from pyimc.conversion import order
from pyimc.crossbar import convert, converter_of, shift_add
from pyimc.devices.noise import deviation
from pyimc.engines.imc.tiling import Corner, tiles
from pyimc.errors import ConfigError, MismatchError
from pyimc.network import Mvm
from pyimc.physical import PhysicalMvm, physical
from pyimc.program import Program
from pyimc.program_file import load, save
from sim.run.cosim_array import NumpyArray
from sim.run.result import result
from tests.mapping.networks import small_arch
from tests.sampling import seeds
from tests.sim import small
from tests.sim.runs import assert_sound, enter, images_for, pyimc, run_rtl
from tests.sim.test_converters import layers

DAY = 86_400


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)


def drawn_device(random: np.random.Generator) -> dict[str, Any]:
    """A device in some state; some have noise, some a wire."""
    states: list[dict[str, Any]] = [
        {
            "model": "pcm",
            "seconds": int(random.choice([0, DAY])),
            "compensation": str(random.choice(["none", "column"])),
        },
        {"model": "hermes", "seconds": DAY, "compensation": "global"},
        {"model": "reram_wan", "seconds": int(random.choice([1, DAY, 2 * DAY]))},
        {"model": "rram_jart", "reads": {"count": 10**7, "volts": 0.4, "read_s": 1e-8, "cycles": 100}},
        {"model": "sram", "noise": 1.5},
        {"model": "ideal", "segment_ohm": 3.0, "activity": 0.25},
    ]
    state = states[int(random.integers(6))]
    if random.integers(2):
        state["noise"] = float(random.choice([0.3, 2.0, 40.0]))
    if random.integers(2):
        state["segment_ohm"] = 2.0
    return state | {"seed": int(random.integers(1 << 32)), "fraction_bits": int(random.integers(1, 8))}


def drawn_chip(random: np.random.Generator, device: dict[str, Any], dac_bits: int = 0) -> Arch:
    """`tiny` with drawn cells, converters and device."""
    cell_bits, signs = int(random.choice([1, 2, 4, 8])), int(random.integers(1, 3))
    box: dict[str, Any] = {
        "cell_bits": cell_bits,
        "weights": ("offset", "differential")[signs - 1],
        "columns": 32 * 8 // cell_bits * signs,
        "rows_per_read": int(random.choice([16, 32, 64])),
        "dac_bits": dac_bits or int(random.choice([1, 2, 4, 8])),
        "device": device or drawn_device(random),
    }
    if random.integers(3):
        box["adc"] = {"bits": int(random.integers(3, 12)), "range": "max"}
    return small_arch(crossbar=box)


def in_numpy(program: Program, actor_name: str, x: np.ndarray, vector: int) -> np.ndarray:
    """A layer's products for uint8 [rows], as the numpy array and converters of a chip come to them, plane by plane."""
    actor, arch = program.actor(actor_name), program.arch
    crossbar, image = arch.crossbar, program.pus[actor.node]
    number, node = next((at, node) for at, node in enumerate(program.network.nodes) if node.name == actor_name)
    assert isinstance(node, Mvm)
    converter = converter_of(crossbar, len(x), node.adc_shift)
    array, shape = NumpyArray(None, program, actor.node, with_weights=True), node.matrix().shape
    total = np.zeros(shape[1], np.int64)
    for tile in tiles(shape, crossbar, Corner(actor.row, actor.column)):
        for first in range(0, tile.rows, crossbar.driven):
            driven = np.zeros(crossbar.rows, np.uint8)
            rows = slice(first, min(first + crossbar.driven, tile.rows))
            driven[tile.row + rows.start : tile.row + rows.stop] = x[tile.matrix_row :][rows]
            sums = array.sums(driven, actor.plane + tile.plane).reshape(
                arch.dac_steps, crossbar.outputs // crossbar.adcs, crossbar.slices, -1, crossbar.adcs
            )
            signed = sums[:, :, :, 0] - sums[:, :, :, 1] if crossbar.differential else sums[:, :, :, 0]
            found = signed.transpose(0, 2, 1, 3).reshape(arch.dac_steps, crossbar.slices, -1)
            found = found[:, :, tile.column : tile.column + tile.columns]
            if image.noise is not None:
                seed, unit, amplitude = image.noise[actor.context].tolist()
                assert unit == number
                when = order(shape[0], shape[1], tile.matrix_row + first, crossbar)
                columns = slice(tile.matrix_column, tile.matrix_column + tile.columns)
                step, place, _ = np.ogrid[: arch.dac_steps, : crossbar.slices, : tile.columns]
                at = vector * when.pixel + when.start[columns] + step * when.step[columns] + place
                drawn = deviation(seed, unit, at.astype(np.uint32), when.converter[columns])
                found = found + (drawn * amplitude + 32768 >> 16)
            total[tile.matrix_column :][: tile.columns] += shift_add(convert(found, converter), crossbar)
    return total if crossbar.differential else total - 128 * x.sum(dtype=np.int64)


@pytest.mark.parametrize("seed", seeds(6, 12, 200))
def test_what_lies_in_the_planes_is_what_golden_multiplies(seed: int) -> None:
    """Cells x converters x devices x reads x layers in parts: the Program's cells through the numpy array."""
    random = np.random.default_rng(seed)
    exact_drop: dict[str, Any] = {"model": "ideal", "segment_ohm": 4.0, "drop": "input"} if seed % 4 == 3 else {}
    arch = drawn_chip(random, exact_drop, dac_bits=1 if exact_drop else 0)
    program = compile_network(layers(seed), arch)
    save(program, Path("program"))
    program = load(Path("program"))
    compared = 0
    for node in physical(program.network, arch.crossbar).nodes:
        if not isinstance(node, PhysicalMvm):
            continue
        source = program.network.tensors[node.inputs[0]].shape
        image = random.integers(0, 256, source, dtype=np.uint8)
        patches = node.patches(image).reshape(-1, node.matrix().shape[0])
        sums = node.accumulate(image).reshape(len(patches), -1)
        for vector in random.choice(len(patches), min(2, len(patches)), replace=False).tolist():
            expected = (in_numpy(program, node.name, patches[vector], vector) + node.bias).astype(np.int32)
            assert np.array_equal(sums[vector], expected), node.name
            compared += 1
    assert compared


@pytest.mark.parametrize("seed", seeds(1, 2, 24))
def test_random_chips(seed: int) -> None:
    random = np.random.default_rng(1000 + seed)
    noisy: dict[str, Any] = {"model": "hermes", "seconds": DAY, "noise": 2.0} if seed == 0 else {}
    program = compile_network(layers(seed), drawn_chip(random, noisy))
    for array in ("verilog", "numpy"):
        report = assert_sound(run_rtl(program, images_for(program, 2), Path(array), array))
        assert report["physical"].keys() >= {"device", "seed", "seconds", "compensation", "snr_db"}


def test_the_drop_of_every_input() -> None:
    """The numpy array adds up what golden does; the array in Verilog refuses."""
    chip = small_arch(crossbar={"dac_bits": 1, "device": {"model": "ideal", "segment_ohm": 4.0, "drop": "input"}})
    program = compile_network(small.network(), chip)
    report = assert_sound(run_rtl(program, images_for(program, 1), Path("run"), "numpy"))
    assert all(decibel is not None for decibel in report["physical"]["snr_db"].values())
    with pytest.raises(ConfigError, match=r"crossbar\.device\.drop is input, which the array verilog does not compute"):
        run_rtl(program, images_for(program, 1), Path("other"), "verilog")


def test_ideal_cells_change_nothing() -> None:
    """Not a byte of the Program but the name of the device; the same Verilog with the same parameters."""
    plain = compile_network(small.network(), small_arch())
    for model in ("ideal", "sram"):
        program = compile_network(small.network(), small_arch(crossbar={"device": {"model": model}}))
        assert program.arch.crossbar.exact and physical(program.network, program.arch.crossbar) is program.network
        for node, image in program.pus.items():
            assert image.cells is None and image.noise is None
            assert np.array_equal(image.weights, plain.pus[node].weights) and image.tables == plain.pus[node].tables


def test_only_values_change() -> None:
    ideal = compile_network(small.network(), small_arch())
    real = compile_network(small.network(), small_arch(crossbar={"device": {"model": "pcm", "seconds": DAY}}))
    reports = [
        result(run_rtl(program, images_for(ideal, 2), Path(f"run{at}"))) for at, program in enumerate((ideal, real))
    ]
    for name in ("cycles_total", "latencies_cycles", "intervals_cycles", "pus", "network_flits"):
        assert reports[0][name] == reports[1][name], name


def test_a_wrong_cell_is_seen() -> None:
    """Two levels more in every cell of a PU."""
    program = compile_network(small.network(), small_arch(crossbar={"device": {"model": "pcm"}}))
    node = program.actor("one").node
    cells = program.pus[node].cells
    assert cells is not None
    other = replace(program, pus={**program.pus, node: replace(program.pus[node], cells=cells + np.uint16(32))})
    with pytest.raises(MismatchError, match=r"RTL \d+, physical golden \d+"):
        run_rtl(other, images_for(program, 1), Path("run"))


def test_another_seed_is_another_chip_and_noise_differs_from_image_to_image() -> None:
    network = small.network()
    image = images_for(compile_network(network, small_arch()), 1)[0]
    found = {}
    for seed in (1, 2):
        chip = small_arch(crossbar={"device": {"model": "sram", "noise": 5.0, "seed": seed}}).crossbar
        node = next(node for node in physical(network, chip).nodes if isinstance(node, PhysicalMvm))
        for number in (0, 1):
            found[seed, number] = replace(node, image=number).accumulate(image).tobytes()
    assert len(set(found.values())) == 4


def test_noise_has_the_sigma_that_was_asked_for() -> None:
    """In levels of a conversion: 16 steps of shift-and-add, of one layer with weights of 0."""
    chip = small_arch(
        crossbar={"weights": "differential", "columns": 64, "dac_bits": 1, "device": {"model": "sram", "noise": 3.0}}
    )
    network = small.network()
    node = next(node for node in physical(network, chip.crossbar).nodes if isinstance(node, PhysicalMvm))
    assert node.held
    quiet = replace(node, held=replace(node.held, amplitude=0))
    image = images_for(compile_network(network, chip), 1)[0]
    off = (node.accumulate(image).astype(np.int64) - quiet.accumulate(image)).reshape(-1)
    reads = -(-len(node.matrix()) // chip.crossbar.rows)
    expected = 3.0 * np.sqrt(reads * sum(4**step for step in range(8)))
    assert np.abs(off.mean()) < 5 * expected / np.sqrt(off.size)
    assert off.std() == pytest.approx(expected, rel=5 / np.sqrt(2 * off.size))


def test_weights_that_travel_stay_with_ideal_cells() -> None:
    from tests.cycle.units import UNITS

    unit = UNITS["a layer's weights travel"]
    chip = small_arch(**{**unit.changes, "crossbar": {"device": {"model": "pcm"}}})
    with pytest.raises(ConfigError, match=r"crossbar\.device is pcm, whose cells keep the weights"):
        compile_network(unit.network(), chip, options={"reload": unit.reload})


def with_device(**device: object) -> Path:
    """A file with `tiny` and such cells."""
    data = load_arch("tiny").model_dump(mode="json")
    path = Path("chip.yaml")
    path.write_text(yaml.safe_dump(data | {"crossbar": data["crossbar"] | {"device": device}}))
    return path


def test_what_a_run_says() -> None:
    chip = with_device(model="pcm", seconds=DAY, compensation="column", seed=3)
    said = pyimc("sim", "--model", "digits", "--arch", chip, "--level", "golden", "--images", 20, "--output", "run")
    assert said.code == 0, said.err
    assert "cells of pcm after 86400 s, seed 3, compensation column: physical against ideal golden" in said.out
    assert "cells of pcm after 86400 s" in Path("run/report.html").read_text()
    said = pyimc("sim", "--model", "digits", "--arch", chip, "--front-door")
    assert said.code == 2 and "comes through no front door" in said.err and said.err.count("\n") == 1


def test_a_device_of_ones_own() -> None:
    """The Program has its coefficients: it runs again without the file."""
    Path("mine.yaml").write_text("{name: mine, source: a wafer, largest_us: 30, stuck: {smallest: 0.01}}")
    program = compile_network(small.network(), small_arch(crossbar={"device": {"model": "mine.yaml"}}))
    save(program, Path("program"))
    Path("mine.yaml").unlink()
    again = load(Path("program"))
    assert again.arch == program.arch and again.arch.crossbar.real
    for node, image in again.pus.items():
        cells = program.pus[node].cells
        assert (image.cells is None) == (cells is None)
        assert image.cells is None or cells is None or np.array_equal(image.cells, cells)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ({"model": "flash"}, "crossbar.device.model: device 'flash' not found; use one of hermes, ideal"),
        (
            {"model": "pcm", "seconds": -1},
            "crossbar.device.seconds: Input should be greater than or equal to 0, got -1",
        ),
        ({"model": "pcm", "secs": 1}, "crossbar.device.secs: Extra inputs are not permitted"),
        ({"model": "pcm", "compensation": "all"}, "crossbar.device.compensation: Input should be 'none', 'global' or"),
        ({"model": "reram_wan"}, "crossbar.device: seconds is 0, reram_wan was measured after 1, 86400, 172800 s only"),
        (
            {"model": "pcm", "fraction_bits": 8},
            "crossbar.device.fraction_bits: Input should be less than or equal to 7",
        ),
        ({"model": "pcm", "noise": -1.0}, "crossbar.device.noise: Input should be greater than or equal to 0"),
        ({"model": {"name": "a", "source": "b", "largest_us": 0}}, "crossbar.device.model.largest_us: Input should be"),
        ({"model": "pcm", "reads": {"count": 1, "volts": 0.2, "read_s": 1e-8}}, "pcm is not disturbed by reads"),
        (
            {"model": "rram_jart", "reads": {"count": 1, "volts": 0.2, "read_s": 1e-8, "cycles": 10**7}},
            "crossbar.device: reads: cycles is 10000000: more than the device lives for",
        ),
        ({"model": "ideal", "segment_ohm": 1.0, "drop": "input"}, "device.drop is input, which needs dac_bits of 1"),
    ],
)
def test_a_chip_that_cannot_be(device: dict[str, object], message: str) -> None:
    said = pyimc("sim", "--model", "digits", "--arch", with_device(**device))
    assert said.code == 2 and message in said.err and said.err.count("\n") == 1, said.err
