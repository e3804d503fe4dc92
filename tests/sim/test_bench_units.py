# SPDX-License-Identifier: Apache-2.0
"""Parts of the bench that need no simulator: results sorted into images, forecasts, numpy sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cocotb.types import LogicArray

from mapping.compile import compile_network
from pyimc import isa
from pyimc.measurement import Measurement
from sim.run.bench import Results, expected_cycles, known
from sim.run.cosim_array import NumpyArray
from sim.run.job import Job, Outcome
from tests.mapping.networks import Builder, small_arch
from tests.sim import small

Packets = list[tuple[int, list[int]]]


def data(cycle: int, channel: int, *words: int) -> tuple[int, list[int]]:
    """A result packet that arrived in a cycle."""
    head = isa.head("DATA", channel=channel, length=len(words))
    return cycle, [head, *words]


def two_outputs() -> Results:
    """Results of a network with an output of two words an image and one of three."""
    net = Builder(1, 1, 8)
    left, right = net.dense("left", "x", 16), net.dense("right", "x", 24)
    return Results(compile_network(net.finish(left, right), small_arch()))


def test_an_image_is_finished_when_all_its_outputs_are() -> None:
    results = two_outputs()
    assert results.per_image == [2, 3]
    received: Packets = [data(5, 0, 1, 2), data(7, 1, 3, 4)]
    results.take(received)
    assert results.finished() == []
    received += [data(9, 1, 5), data(11, 0, 6), data(12, 1, 7, 8, 9)]
    results.take(received)
    assert results.finished() == [9]
    received.append(data(20, 0, 10))
    results.take(received)
    results.take(received)
    assert results.finished() == [9, 20]
    assert results.words == [[1, 2, 6, 10], [3, 4, 5, 7, 8, 9]]


def test_what_is_no_data_is_no_result() -> None:
    results = two_outputs()
    results.take([(3, [isa.head("REPLY", length=1), 77])])
    assert results.words == [[], []]


def test_forecast_of_the_cycles() -> None:
    program = small.program()
    loads = {node: sum(actor.cycles for actor in program.actors if actor.node == node) for node in program.pus}
    assert expected_cycles(program, 3, []) == 4 * max(loads.values())
    assert expected_cycles(program, 3, [1000]) == 1000 + 2 * max(loads.values())
    assert expected_cycles(program, 5, [1000, 1300]) == 1300 + 3 * 300
    assert program.patience_cycles(3) > expected_cycles(program, 3, [])


def test_bits_that_are_x_are_ones_and_the_others_stay() -> None:
    assert known(LogicArray("0110")) == 6
    assert known(LogicArray("0X1Z")) == 7


class Pins:
    """An array whose pins nobody drives."""

    def __init__(self, bits: int = 0) -> None:
        self.slices = range(bits)


@pytest.mark.parametrize("dac_bits", [1, 2, 4, 8])
@pytest.mark.parametrize(("rows", "lane"), [(16, 20), (64, 16), (1024, 26)])
def test_numpy_sums_are_exact(rows: int, lane: int, dac_bits: int) -> None:
    lane = 22 if lane == 16 and dac_bits > 2 else lane  # 16 bits hold what 64 rows and two bits come to
    arch = small_arch(crossbar={"rows": rows, "columns": 32, "dac_bits": dac_bits}, output_columns=1024)
    net = Builder(4, 4, 64)
    program = compile_network(net.finish(net.conv("conv", "x", 32)), arch)
    (node,) = program.pus
    array = NumpyArray(Pins(lane * 32 * 8 // dac_bits), program, node, with_weights=True)
    random = np.random.default_rng(dac_bits)
    for vector in (np.full(rows, 255, np.uint8), random.integers(0, 256, rows, dtype=np.uint8)):
        sums = array.sums(vector, 0)
        weights = program.pus[node].weights[0].astype(np.int64)
        shifts = np.arange(8 // dac_bits) * dac_bits
        assert np.array_equal(
            sums, [(vector.astype(np.int64) >> shift & (1 << dac_bits) - 1) @ weights for shift in shifts]
        )
        packed = int(array.pack(sums))
        lanes = [packed >> index * lane & (1 << lane) - 1 for index in range(sums.size)]
        assert lanes == sums.reshape(-1).tolist()


def test_without_weights_the_array_starts_empty() -> None:
    program = small.program()
    node = program.actor("one").node
    array = NumpyArray(Pins(), program, node, with_weights=False)
    assert not array.sums(np.full(64, 255, np.uint8), 0).any()
    assert program.pus[node].weights.any(), "the Program's own weights are left alone"


def test_job_and_outcome_survive_their_files(tmp_path: Any) -> None:
    job = Job("numpy", True)
    job.write(tmp_path)
    assert Job.read(tmp_path) == job
    measured = Measurement(
        deadlock=False, cycles_total=2, first_cycles=[1], last_cycles=[2], host_flits=4, counters={"1": {"busy": 1}},
        actors={"a": {"firings": 2}}, waiting=[{"actor": "a", "need": 3}],
    )  # fmt: skip
    outcome = Outcome(measured, begin_cycle=1, load_cycles=3, load_seconds=0.5, run_seconds=1.5)
    outcome.write(tmp_path)
    assert Outcome.read(tmp_path) == outcome
