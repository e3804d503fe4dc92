"""pyimc from Python: load a model and an architecture, place, compile, simulate, look.

    import pyimc.sim.api as imc

    model = imc.load_model("digits", images=4)
    arch = imc.load_arch("tiny")
    program = imc.compile(model, arch, strategy="lblp")
    result = imc.simulate(model, program, level="cycle")
    result.interval, result.nodes()

Rows are lists of dictionaries with the same keys, as `pandas.DataFrame` takes them. Whatever cannot be done raises an
`ImcError` with one line that says what, where and what next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapping.actors.graph import Graph
from mapping.actors.plan import planned_graph, read_settings
from mapping.compile import STRATEGY, compile_network, compile_placed
from mapping.converters import with_calibrated_converters
from mapping.cuts.depthwise import AUTO, OPTION, on_engines
from mapping.placement.fixed import Fixed, placement_of, read_placement
from mapping.placement.ledger import Options
from pyimc.arch import Arch, load_arch
from pyimc.errors import ConfigError, ImcError
from pyimc.measurement import Measurement
from pyimc.network import Network
from pyimc.program import Program
from sim.report.explain import Explanation
from sim.report.explain import explain as explained
from sim.report.timeline import Timeline, timeline
from sim.report.waits import waits
from sim.run.flow import run_program
from sim.run.prepare import Prepared, prepare
from sim.run.result import Run
from sim.run.result import result as report_of

__all__ = [
    "Arch", "Explanation", "ImcError", "Model", "Network", "Program", "Result", "compile", "explain", "graph",
    "load_arch", "load_model", "simulate",
]  # fmt: skip

Placed = Mapping[str, int] | str | Path
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A quantised network with images.

    Attributes:
        name: As it was asked for.
        prepared: Network, images, labels, and how near they are to the model that was given.
    """

    name: str
    prepared: Prepared

    @property
    def network(self) -> Network:
        """The quantised network."""
        return self.prepared.network

    @property
    def images(self) -> NDArray[np.uint8]:
        """uint8 [images, height, width, channels]."""
        return self.prepared.images


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a run gave. Cycles are None where none were measured.

    Attributes:
        level: "rtl", "cycle" or "golden".
        folder: With `result.json`, `report.html` and the Program.
        latency: Of the first image, cycles.
        interval: Between images in the steady state, cycles.
        settled: There were images enough for an interval that lasts.
        outputs: Per output of the network, uint8 [images, height, width, channels]; none at level cycle.
        report: All that `result.json` has.
        run: The run itself.
    """

    level: str
    folder: Path
    latency: int | None
    interval: int | None
    settled: bool
    outputs: dict[str, NDArray[np.uint8]]
    report: dict[str, Any]
    run: Run

    def nodes(self) -> Rows:
        """A row for every node: where it is, what it took, what was compared."""
        expected = {actor.name: actor.cycles for actor in self.run.program.actors}
        return [
            {"node": name, "expected_cycles": expected[name], **said}
            for name, said in self.report.get("nodes", {}).items()
        ]

    def pus(self) -> Rows:
        """A row for every PU: cycles of each state, flits."""
        return [{"pu": int(node), **said} for node, said in self.report.get("pus", {}).items()]

    def waits(self) -> Rows:
        """A row for every actor and what it waited for, the longest first."""
        return [
            {"actor": each.actor, "pu": each.node, "kind": each.wait.kind, "channel": each.wait.channel,
             "other": each.other, "cycles": each.cycles, "share": each.share}
            for each in waits(self._line())
        ]  # fmt: skip

    def rings(self) -> Rows:
        """A row for every ring: size, smallest size, the most words that it held."""
        return [
            {"channel": name, "pu": ring.channel.node, "words": ring.channel.size, "least_words": ring.least_words,
             "most_words": ring.peak}
            for name, ring in self._line().channels.items()
        ]  # fmt: skip

    def _line(self) -> Timeline:
        measured: Measurement | None = self.run.measured
        if measured is None or not len(measured.events):
            raise ConfigError(f"a run at level {self.level} has no cycles; simulate at level cycle or rtl")
        return timeline(self.run.program, measured)


def load_model(name: str, images: int = 4, source: Path | None = None) -> Model:
    """Loads, quantises and checks a model: one that is built in, or the path of an .onnx file.

    Args:
        name: As `pyimc sim --model` takes it.
        images: How many inputs.
        source: A picture or .npy file; None: the model's own.
    """
    return Model(name, prepare(name, images, source))


def graph(model: Model, arch: Arch, options: Options | None = None) -> Graph:
    """The actors to place and their edges: `graph.nodes` by name with kind, cycles and demands."""
    given, settings = options or {}, read_settings(options or {})
    network, _ = on_engines(model.network, arch, str(given.get(OPTION, AUTO)), settings.grain)
    return planned_graph(network, arch, {}, settings)


def compile(
    model: Model,
    arch: Arch,
    strategy: str = STRATEGY,
    placement: Placed | None = None,
    options: Options | None = None,
    seed: int = 0,
) -> Program:
    """Places and compiles.

    Args:
        model: What to compute.
        arch: The chip.
        strategy: A name, or the path of a .py file.
        placement: Instead of a strategy: `{node: pu}`, or a file such as the `placement.yaml` of a run.
        options: As `pyimc sim --option` takes them.
        seed: Of a strategy that draws numbers.
    """
    network = with_calibrated_converters(model.network, arch, model.prepared.calibration)
    if placement is None:
        return compile_network(network, arch, strategy, options, seed)
    return compile_placed(network, arch, _fixed(placement), options)


def _fixed(placement: Placed) -> Fixed:
    if isinstance(placement, Mapping):
        return placement_of({"nodes": dict(placement)}, "placement")
    return read_placement(Path(placement))


def simulate(
    model: Model,
    program: Program,
    level: str = "rtl",
    images: int | None = None,
    sim: str = "icarus",
    array: str = "verilog",
    folder: Path | None = None,
) -> Result:
    """Runs a Program.

    Args:
        model: Its images are what runs.
        program: Of this model.
        level: "rtl" (the measurement), "cycle" (time only, the same cycles), "golden" (values only).
        images: How many; the model's repeat. None: as many as the model has.
        sim: "icarus" or "verilator".
        array: "verilog" or "numpy".
        folder: Where to; None: one of its own in `build/`.

    Raises:
        MismatchError: A value that is not the golden model's; the report is in the folder.
        DeadlockError: The chip stopped.
    """
    count = len(model.images) if images is None else images
    run = run_program(model.prepared, program, level, count, sim, array, folder)
    measured, names = run.measured, program.network.outputs
    outputs = run.rtl_outputs or run.golden_outputs
    steady = measured.steady if measured else None
    return Result(
        level=level, folder=run.folder, latency=measured.latency if measured else None,
        interval=steady.interval if steady else None, settled=bool(steady and steady.settled),
        outputs=dict(zip(names, outputs, strict=True)) if outputs else {}, report=report_of(run), run=run,
    )  # fmt: skip


def explain(program: Program, images: int = 16) -> Explanation:
    """Why a Program is not faster, and what each lever brings, measured on the cycle model."""
    return explained(program, images)
