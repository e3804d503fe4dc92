"""One layer over P processing units: speed-up as a share of P, and what its synchronisation costs in flits.

The layers and the orders are those of Pelke et al., arXiv 2309.03805: the rows of the weight matrix are cut into P
parts; `linear`, every output passes them first to last; `cyclic`, the outputs of different columns start at different
parts. Beside them copies (all weights on every unit) and horizontal parts (a share of the output channels each).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mapping.actors.cost import packet_flits
from mapping.actors.firing import Grain, row_words
from mapping.cuts.split import Cut
from mapping.operators import image_firings
from pyimc.cycle.model import simulate
from pyimc.measurement import Measurement
from pyimc.program import HOST, Program
from sim.lab.rows import Experiment, key_of
from sim.lab.sources import hashed
from sim.lab.studies.layer import Layer, compile_parts
from sim.lab.studies.page import percent, plot, table
from sim.lab.studies.point import KEPT
from sim.lab.workers import Workers

LAYERS = (
    Layer("layer1, 56x56x64", 56, 64, 64, 3),
    Layer("layer2, 28x28x128", 28, 128, 128, 3),
    Layer("layer3, 14x14x256", 14, 256, 256, 3),
    Layer("layer4, 7x7x512", 7, 512, 512, 3),
    Layer("1x1, 14x14x512", 14, 512, 512, 1),
    Layer("1x1, 7x7x1024", 7, 1024, 1024, 1),
)
PARTS = (2, 3, 4, 8)
GRAINS: tuple[Grain, ...] = ("row", 4, 1)
ROWS, ADCS = 64, 8
SLACK_ROWS = 4
IMAGES = 48


@dataclass(frozen=True, slots=True)
class Case:
    """A layer, cut one way."""

    layer: Layer
    cut: Cut
    parts: int
    grain: Grain

    def key(self) -> str:
        """sha256 of all that decides the figures, the sources included."""
        return key_of(self.said() | {"sources": hashed("sim/lab/studies/split.py")})

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"grain": str(self.grain)}


@dataclass(frozen=True, slots=True)
class Traffic:
    """Flits of one image: payload words, packet heads, and credits (one flit each, on the mesh of their own)."""

    words: int
    heads: int
    credits: int


@dataclass(frozen=True, slots=True)
class Timing:
    """What a case took, in cycles.

    Attributes:
        latency: From the first flit of an image that enters the chip to its last one that leaves it.
        layer: From the first issue of a part to the last word of one, of that image: without the host's part.
        interval: Between images, in the steady state.
        firings: Of one part, or of the whole layer.
        traffic: Of one image.
    """

    latency: int
    layer: int
    interval: int
    firings: int
    traffic: Traffic


def cases(layers: Sequence[Layer], counts: Sequence[int], grains: Sequence[Grain]) -> Iterator[Case]:
    """Whole layers; parts of whole crossbars, in both orders; the other cuts by rows."""
    for layer in layers:
        for grain in grains:
            yield Case(layer, Cut(), 1, grain)
        for parts in counts:
            if layer.kernel**2 * layer.channels % (ROWS * parts):
                continue
            for grain in grains:
                yield Case(layer, Cut(vertical=parts), parts, grain)
                if parts <= layer.size:
                    yield Case(layer, Cut(vertical=parts, order="cyclic"), parts, grain)
            if parts <= layer.size:
                yield Case(layer, Cut(copies=parts), parts, "row")
            if layer.outputs % parts == 0:
                yield Case(layer, Cut(horizontal=parts), parts, "row")


def measure(case: Case, folder: Path | None = None) -> Timing:
    """Runs a case on the cycle model."""
    program = compile_parts(case.layer, case.cut, case.parts, case.grain, ROWS, ADCS, SLACK_ROWS)
    single, many = simulate(program, 1), simulate(program, IMAGES)
    steady = many.steady
    assert not many.deadlock and steady is not None and single.latency is not None
    found = traffic(program, case.grain)
    assert many.network_flits == IMAGES * (found.words + found.heads), "the compiler's flits are the mesh's"
    parts = [actor.name for actor in program.actors if actor.kind == "imc"]
    return Timing(
        latency=single.latency,
        layer=_span(single, parts),
        interval=steady.interval,
        firings=max(single.actors[name]["firings"] for name in parts),
        traffic=found,
    )


def _span(measured: Measurement, actors: Sequence[str]) -> int:
    spans = [measured.actors[name] for name in actors]
    return max(span["last_word"] for span in spans) - min(span["first_issue"] for span in spans) + 1


def traffic(program: Program, grain: Grain) -> Traffic:
    """Flits of one image, from the rules of the machine.

    A firing's words leave in packets of `packet_words`; a firing gives one credit for every input of which it frees
    words; the host sends a row at a time and gives one credit for every packet.
    """
    network, arch = program.network, program.arch
    firings = {node.name: image_firings(network, node, arch, grain) for node in network.nodes}
    source = network.tensors[network.input]
    words = heads = credits = 0
    for channel in program.channels:
        given = [firing.produce for firing in firings.get(channel.producer, ())]
        if channel.producer == HOST:
            given = [row_words(source, arch)] * source.height
        packets = sum(packet_flits(count, arch) - count for count in given)
        words += sum(given)
        heads += packets
        taken = [firing.free[channel.port] for firing in firings.get(channel.consumer, ())]
        credits += packets if channel.consumer == HOST else sum(count > 0 for count in taken)
    return Traffic(words, heads, credits)


def study(
    jobs: Workers,
    folder: Path,
    layers: Sequence[Layer] = LAYERS,
    counts: Sequence[int] = PARTS,
    grains: Sequence[Grain] = GRAINS,
) -> str:
    """Measures everything; the text of its section. Writes `split.svg` into `folder`."""
    chosen = list(cases(layers, counts, grains))
    found = {row.case: row.figures for row in Experiment(measure, Timing, KEPT).rows(chosen, jobs) if row.figures}
    _plot(found, folder / "split.svg")
    return "\n".join([*_orders(found), "", *_others(found), "", "![shares of P](plots/split.svg)"])


def _share(found: dict[Case, Timing], case: Case, figure: str) -> float:
    """The speed-up as a share of the number of parts."""
    whole = found[Case(case.layer, Cut(), 1, case.grain)]
    return float(getattr(whole, figure)) / float(getattr(found[case], figure)) / case.parts


def _orders(found: dict[Case, Timing]) -> list[str]:
    rows = []
    for case in found:
        if case.cut.vertical == 1 or case.cut.order == "cyclic":
            continue
        firings = found[case].firings
        row = [case.layer.name, str(case.parts), str(case.grain), percent(firings / (firings + case.parts - 1))]
        for order in ("linear", "cyclic"):
            cut = Case(case.layer, Cut(vertical=case.parts, order=order), case.parts, case.grain)
            if cut not in found:
                row += ["-"] * 5
                continue
            flits = found[cut].traffic
            row += [percent(_share(found, cut, figure)) for figure in ("layer", "latency", "interval")]
            row += [percent(flits.credits / flits.words), percent(flits.heads / flits.words)]
        rows.append(row)
    sides = [f"{order}: {what}" for order in ("linear", "cyclic")
             for what in ("layer", "latency", "interval", "credits", "heads")]  # fmt: skip
    return table(["layer", "P", "grain", "wavefront law", *sides], rows)


def _others(found: dict[Case, Timing]) -> list[str]:
    rows = []
    for case in found:
        if case.cut.copies > 1 or case.cut.horizontal > 1:
            kind = "copies" if case.cut.copies > 1 else "horizontal"
            shares = [percent(_share(found, case, figure)) for figure in ("layer", "latency", "interval")]
            rows.append([case.layer.name, str(case.parts), kind, *shares])
    return table(["layer", "P", "cut, by rows", "layer", "latency", "interval"], rows)


def _plot(found: dict[Case, Timing], path: Path) -> None:
    layers = list(dict.fromkeys(case.layer for case in found))
    with plot(path, (3, 2)) as axes:
        for at, layer in zip(axes, layers, strict=False):
            lines: dict[str, list[tuple[int, float]]] = {}
            for case in found:
                if case.layer == layer and case.cut.vertical > 1:
                    name = f"{case.cut.order}, {case.grain}"
                    lines.setdefault(name, []).append((case.parts, 100 * _share(found, case, "latency")))
            for name, points in sorted(lines.items()):
                at.plot(*zip(*points, strict=True), "o-" if "cyclic" in name else "s--", markersize=4, label=name)
            at.axhline(99, color="grey", linewidth=0.7)
            counts = sorted({case.parts for case in found})
            at.set(title=layer.name, xlabel="P", xticks=counts, xlim=(counts[0] - 0.5, counts[-1] + 0.5))
            at.set(ylabel="share of P, latency (%)", ylim=(45, 102))
            at.legend(fontsize=6)
