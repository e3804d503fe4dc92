"""Chips whose converters round and clip: the RTL has the values of physical golden, and the cycles of an ideal chip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mapping.compile import compile_network
from mapping.converters import with_calibrated_converters
from pyimc import isa
from pyimc.arch import load_arch
from pyimc.errors import MismatchError
from pyimc.network import Mvm, Network
from pyimc.program import Program
from sim.run.result import result
from tests.cycle.units import UNITS
from tests.mapping.networks import Builder, small_arch
from tests.sampling import seeds
from tests.sim import small
from tests.sim.runs import assert_sound, enter, images_for, pyimc, read_result, run_rtl

IMAGES = 2


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)


def compiled(network: Network, bits: int, range_: str, **cells: object) -> Program:
    """For `tiny` with other converters and cells, calibrated on random images if they are to be."""
    arch = small_arch(crossbar={"adc": {"bits": bits, "range": range_}, **cells})
    shape = network.tensors[network.input].shape
    images = np.random.default_rng(3).integers(0, 256, (2, *shape), dtype=np.uint8)
    return compile_network(with_calibrated_converters(network, arch, images), arch)


def layers(seed: int) -> Network:
    """One to three drawn layers, some of several row tiles, some in parts that pass on accumulators."""
    random = np.random.default_rng(seed)
    height, width, channels = (int(random.integers(low, high)) for low, high in ((2, 6), (2, 6), (1, 24)))
    net = Builder(height, width, channels, seed)
    value = "x"
    for index in range(int(random.integers(1, 4))):
        kernel = (int(random.choice([1, 3])), int(random.choice([1, 3])))
        pads = (kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, kernel[1] // 2)
        value = net.conv(f"conv{index}", value, int(random.integers(1, 40)), kernel, (1, 1), pads)
    if random.integers(0, 2):
        value = net.chain("chain", value, 8, [(3, 3), (1, 1)])
    return net.finish(value)


def drawn_cells(random: np.random.Generator) -> dict[str, object]:
    """Cells as small as they get, both ways of having signs, and reads of some of a tile's rows."""
    cell_bits, signs = int(random.choice([1, 2, 4, 8])), int(random.integers(1, 3))
    return {
        "cell_bits": cell_bits,
        "weights": ("offset", "differential")[signs - 1],
        "columns": 32 * 8 // cell_bits * signs,
        "rows_per_read": int(random.choice([8, 16, 64])),
    }


@pytest.mark.parametrize("seed", seeds(2, 3, 24))
def test_random_layers(seed: int) -> None:
    random = np.random.default_rng(100 + seed)
    bits, range_ = int(random.choice([1, 3, 6, 8, 12])), ("max", "calibrated")[seed % 2]
    cells = drawn_cells(random) if seed % 3 else {}
    bits = max(bits, 2)
    program = compiled(layers(seed), bits, range_, **cells)
    run = run_rtl(program, images_for(program, IMAGES), Path("run"), str(random.choice(["verilog", "numpy"])))
    report = assert_sound(run)
    assert report["physical"].keys() == {"adc_bits", "adc_range", "snr_db"}
    assert report["physical"]["adc_bits"] == bits and report["physical"]["adc_range"] == range_


def test_weights_that_travel() -> None:
    """A layer whose weights come through a channel is converted as one whose weights stay."""
    unit = UNITS["a layer's weights travel"]
    arch = small_arch(**{**unit.changes, "crossbar": {"adc": {"bits": 6, "range": "max"}}})
    program = compile_network(unit.network(), arch, options={"reload": unit.reload})
    report = result(run_rtl(program, images_for(program, IMAGES), Path("run")))
    assert all(node["mismatches"] == 0 for node in report["nodes"].values())
    assert all(decibel is not None for decibel in report["physical"]["snr_db"].values())


def test_only_values_change() -> None:
    """Few bits are noise, in no cycle and no word more; many bits are none."""
    ideal = compile_network(small.network(), small_arch())
    images = images_for(ideal, IMAGES)
    reports = {0: result(run_rtl(ideal, images, Path("ideal")))}
    for bits in (4, 14):
        program = compiled(small.network(), bits, "max")
        reports[bits] = assert_sound(run_rtl(program, images, Path(f"bits{bits}")))
    for report in reports.values():
        for name in ("cycles_total", "latencies_cycles", "intervals_cycles", "pus", "network_flits"):
            assert report[name] == reports[0][name], name
    noise = {bits: next(iter(reports[bits]["physical"]["snr_db"].values())) for bits in (4, 14)}
    assert "physical" not in reports[0] and noise[14] is None and noise[4] < 40


def test_a_wrong_step_is_seen() -> None:
    """A step of the table that is not the network's makes wrong values, of which the message names the model."""
    program = compiled(small.network(), 6, "max")
    nodes = tuple(replace(node, adc_shift=1) if isinstance(node, Mvm) else node for node in program.network.nodes)
    other = replace(program, network=replace(program.network, nodes=nodes))
    with pytest.raises(MismatchError, match=r"RTL \d+, physical golden \d+"):
        run_rtl(other, images_for(program, 1), Path("run"))


def test_the_step_is_in_the_table_of_its_layer() -> None:
    program = compiled(layers(3), 4, "calibrated")
    steps = {node.name: node.adc_shift for node in program.network.nodes if isinstance(node, Mvm)}
    found = {}
    for actor in program.actors:
        tables = {(space, entry): value for space, entry, value in program.pus[actor.node].tables}
        columns = tables.get((isa.SPACES["ENGINE"], isa.engine_entry(actor.context, isa.COLUMNS)))
        if actor.name in steps and columns is not None:
            found[actor.name] = isa.COLUMNS.decode(columns)["adc_shift"]
    assert found == steps and len(steps) > 1


def with_adc(folder: Path, **adc: object) -> Path:
    """A file with `tiny` and these converters."""
    data = load_arch("tiny").model_dump(mode="json")
    path = folder / "chip.yaml"
    path.write_text(yaml.safe_dump(data | {"crossbar": data["crossbar"] | {"adc": adc}}))
    return path


def test_what_a_run_says(tmp_path: Path) -> None:
    """The verdict, `result.json` and the page name both golden models; the saved answers are those of the chip."""
    chip = with_adc(tmp_path, bits=6, range="calibrated")
    said = pyimc("sim", "--model", "digits", "--arch", chip, "--level", "golden", "--output", "run")
    assert said.code == 0, said.err
    report = read_result(Path("run"))
    accuracies = report["accuracy"]
    assert accuracies["golden"]["top1"] > accuracies["physical"]["top1"] > 0.3
    (decibel,) = report["physical"]["snr_db"].values()
    assert (
        "ADCs of 6 bits, range calibrated: physical against ideal golden" in said.out
        and f"{decibel:.1f} dB" in said.out
    )
    assert (
        f"golden {accuracies['golden']['top1']:.2%}, physical golden {accuracies['physical']['top1']:.2%}" in said.out
    )
    assert "signal to noise" in Path("run/report.html").read_text()


@pytest.mark.parametrize(
    ("adc", "message"),
    [
        ({"bits": 17, "range": "max"}, "crossbar.adc.bits: Input should be less than or equal to 16, got 17"),
        ({"bits": 8, "range": "max", "step": 2}, "crossbar.adc.step: Extra inputs are not permitted, got 2"),
    ],
)
def test_a_chip_that_cannot_be(tmp_path: Path, adc: dict[str, object], message: str) -> None:
    said = pyimc("sim", "--model", "digits", "--arch", with_adc(tmp_path, **adc))
    assert said.code == 2 and message in said.err and said.err.count("\n") == 1
