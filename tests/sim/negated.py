# SPDX-License-Identifier: Apache-2.0
"""Run by tests/sim/test_further_engine.py where the package of the further kind is installed; argument: a folder."""

import sys
from pathlib import Path

import numpy as np

from mapping.compile import compile_network
from pyimc.arch import Arch
from pyimc.energy.events import count
from pyimc.engines import ENGINES
from pyimc.network import Network, TensorType
from pyimc.operators import KINDS
from sim.run.result import result
from sim.run.validation import validate
from sim.toolchain.chip_parameters import chip_parameters
from tests.mapping.networks import Builder, small_arch
from tests.sim.runs import images_for, run_rtl


def network() -> Network:
    """Between two layers, and to the host in rows that do not fill words; one reader is slow."""
    net = Builder(6, 5, 3, seed=2)
    first = net.conv("first", "x", 7)
    kind = net.tensors[first]
    net.tensors["flipped.y"] = TensorType(*kind.shape, kind.scale, 255 - kind.zero_point)
    net.nodes.append(KINDS["Negate"]("flipped", (first,), "flipped.y"))
    net.tensors["twice.y"] = kind
    net.nodes.append(KINDS["Negate"]("twice", ("flipped.y",), "twice.y"))
    return net.finish("flipped.y", net.conv("last", "twice.y", 40, (5, 5), pads=(2, 2, 2, 2)))


def chip() -> Arch:
    """One PU of the further kind beside the others."""
    return small_arch(pus={"negate": [3]})


def main(folder: Path) -> None:
    """Compiles, runs on RTL, compares values and every event."""
    assert ENGINES["negate"].number == 2
    program = compile_network(network(), chip())
    assert {actor.kind for actor in program.actors} == {"imc", "negate"}
    assert {actor.name for actor in program.actors if actor.node == 3} == {"flipped", "twice"}
    kind = program.network.tensors["flipped.y"]
    words = kind.height * program.arch.words(kind.row_bytes)
    assert chip_parameters(chip())["LANES"] == chip().lanes
    assert {count(program).operators[name]["reads"] for name in ("flipped", "twice")} == {words}
    run = run_rtl(program, images_for(program, 3), folder)
    report = result(run)
    assert all(node["mismatches"] == 0 for node in report["nodes"].values())
    found = validate(run)
    assert found.events and found.words
    flipped, last = (np.unique(maps) for maps in run.rtl_outputs or ())
    assert len(flipped) > 20 and len(last) > 20
    print(f"{found.events} events, {found.words} words")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
