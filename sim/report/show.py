"""`pyimc show`: an architecture, a model or a schedule, as text, as Graphviz or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapping.actors.buffers import smallest_rings
from pyimc import program_file
from pyimc.arch import Arch, load_arch
from pyimc.errors import ConfigError
from pyimc.program import HOST, Program

if TYPE_CHECKING:  # it would import ONNX
    from mapping.actors.graph import Graph


@dataclass(frozen=True, slots=True)
class View:
    """One thing in its three forms: lines of text, lines of Graphviz, and what becomes JSON."""

    text: Callable[[], Iterator[str]]
    dot: Callable[[], Iterator[str]]
    data: Callable[[], Any]


def view(what: str, name: str, arch: str | None = None) -> View:
    """What to show.

    Args:
        what: "arch", "model" or "schedule".
        name: Of an architecture or a model, as `pyimc sim` takes them; a folder of a run or a Program.
        arch: For a model: whose cycles and planes; None for the model's own.

    Raises:
        ConfigError: There is no such thing.
    """
    if what == "arch":
        chip = load_arch(name)
        return View(lambda: _arch_text(chip), lambda: _arch_dot(chip), lambda: chip.model_dump(mode="json"))
    if what == "model":
        graph = _graph(name, arch)
        return View(lambda: _model_text(graph), lambda: _model_dot(graph), lambda: _model_rows(graph))
    program = _program(Path(name))
    return View(lambda: _plan_text(program), lambda: _plan_dot(program), lambda: _plan_rows(program))


def lines(shown: View, form: str) -> Iterator[str]:
    """In the form "text", "dot" or "json"."""
    if form == "json":
        yield json.dumps(shown.data(), indent=1)
    else:
        yield from shown.dot() if form == "dot" else shown.text()


def _graph(name: str, arch: str | None) -> Graph:
    from mapping.models import model_arch  # ONNX, only for what reads a model
    from sim.api import graph, load_model

    return graph(load_model(name, images=1), load_arch(arch or model_arch(name)))


def _program(folder: Path) -> Program:
    inside = folder / "program"
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; give one of a run, or of a Program as pyimc compile writes it")
    return program_file.load(inside if inside.is_dir() else folder)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _table(rows: Sequence[tuple[str, ...]], numbers: int) -> Iterator[str]:
    """Columns of equal width; the last `numbers` of them stand to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if index >= len(row) - numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


# ---------------------------------------------------------------------------------------------------- architecture


def _kind(arch: Arch, node: int) -> str:
    return "host" if node == arch.host else arch.kinds[node]


def _arch_text(arch: Arch) -> Iterator[str]:
    kinds = list(arch.kinds.values())
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    yield f"{arch.name}: {counts} on a mesh of {arch.mesh.columns} x {arch.mesh.rows}"
    yield ""
    for row in range(arch.mesh.rows):
        nodes = range(row * arch.mesh.columns, (row + 1) * arch.mesh.columns)
        yield "  ".join(f"{node:3d} {_kind(arch, node):4s}" for node in nodes).rstrip()
    yield ""
    box = arch.crossbar
    steps = arch.dac_steps * box.slices * box.reads(box.rows) * (box.outputs // box.adcs)
    size = f"{box.planes} planes of {box.rows} x {box.columns}"
    yield f"crossbar   {size}, {box.adcs} columns converted at once, {box.dac_bits} input bits"
    yield f"           a product takes {steps} cycles of conversion if all columns are used"
    yield f"word       {arch.word_bits} bits, packets of {arch.packet_words} words, fifos of {arch.mesh.fifo_depth}"
    yield f"memory     {arch.activation_words} words of activations, {arch.partial_words} of partial sums a PU"
    yield f"           {arch.instructions} instructions, {arch.parameters} parameters"
    yield f"           {arch.output_columns} accumulators"
    yield f"actors     {arch.contexts} a PU, {arch.destinations} destinations each"
    yield f"host       {arch.host_words} words of results"


def _arch_dot(arch: Arch) -> Iterator[str]:
    yield f"graph {_quoted(arch.name)} {{"
    yield "  layout=neato; node [shape=box, style=filled, fillcolor=white];"
    colours = {"host": "gray85", "imc": "lightblue", "dpu": "khaki"}
    columns = arch.mesh.columns
    for node in range(arch.nodes):
        kind = _kind(arch, node)
        place = f"{1.4 * (node % columns):.1f},{-1.0 * (node // columns):.1f}!"
        label = _quoted(f"{node} {kind}")
        yield f'  n{node} [label={label}, pos="{place}", fillcolor={colours.get(kind, "lightpink")}];'
    for node in range(arch.nodes):
        if (node + 1) % columns:
            yield f"  n{node} -- n{node + 1};"
        if node + columns < arch.nodes:
            yield f"  n{node} -- n{node + columns};"
    yield "}"


# ----------------------------------------------------------------------------------------------------------- model


def _model_rows(graph: Graph) -> list[dict[str, Any]]:
    tensors = graph.network.tensors
    return [
        {
            "node": node.name, "operator": type(node.operator).__name__, "kind": node.kind,
            "shape": list(tensors[node.operator.output].shape), "cycles": node.cycles, "planes": node.planes,
            "inputs": [edge.producer for edge in graph.edges if edge.consumer == node.name],
        }
        for node in graph.nodes.values()
    ]  # fmt: skip


def _model_text(graph: Graph) -> Iterator[str]:
    network = graph.network
    shape = " x ".join(map(str, network.tensors[network.input].shape))
    yield f"{network.name}: input {shape}, {len(graph.nodes)} nodes, {network.macs()} multiply-accumulates an image"
    if network.host_tail:
        yield f"on the host: {', '.join(network.host_tail)}"
    yield ""
    rows = _model_rows(graph)
    table = [("node", "operator", "PU", "shape", "cycles an image", "planes")]
    table += [
        (row["node"], row["operator"], row["kind"], " x ".join(map(str, row["shape"])), str(row["cycles"]),
         str(row["planes"]))
        for row in rows
    ]  # fmt: skip
    yield from _table(table, 2)


def _model_dot(graph: Graph) -> Iterator[str]:
    yield f"digraph {_quoted(graph.network.name)} {{"
    yield "  node [shape=box, style=filled];"
    for row in _model_rows(graph):
        colour = "lightblue" if row["kind"] == "imc" else "khaki"
        label = _quoted(f"{row['node']}\n{row['cycles']} cycles").replace("\n", "\\n")
        yield f"  {_quoted(row['node'])} [label={label}, fillcolor={colour}];"
    for edge in graph.edges:
        shape = "x".join(map(str, graph.network.tensors[edge.tensor].shape))
        yield f"  {_quoted(edge.producer)} -> {_quoted(edge.consumer)} [label={_quoted(shape)}];"
    yield "}"


# -------------------------------------------------------------------------------------------------------- schedule


def _plan_rows(program: Program) -> dict[str, Any]:
    least = {edge.name: edge.least_words for edge in smallest_rings(program)}
    return {
        "model": program.network.name, "arch": program.arch.name, "strategy": program.origin.strategy,
        "options": program.origin.options, "bounds": program.origin.bounds,
        "actors": [
            {"actor": actor.name, "pu": actor.node, "kind": actor.kind, "priority": actor.context,
             "cycles": actor.cycles, "planes": actor.planes}
            for actor in sorted(program.actors, key=lambda actor: (actor.node, actor.context))
        ],
        "channels": [
            {"producer": ring.producer, "consumer": ring.consumer, "words": ring.size, "least_words": least[ring.name]}
            for ring in program.channels
        ],
    }  # fmt: skip


def _plan_text(program: Program) -> Iterator[str]:
    said = _plan_rows(program)
    options = " ".join(f"{name}={value}" for name, value in said["options"].items())
    yield f"{said['model']} on {said['arch']} by {said['strategy']} ({options})"
    yield ", ".join(f"{name} at least {cycles} cycles" for name, cycles in said["bounds"].items())
    yield ""
    table = [("PU", "kind", "actor", "priority", "cycles an image", "planes")]
    table += [
        (str(row["pu"]), row["kind"], row["actor"], str(row["priority"]), str(row["cycles"]), str(row["planes"]))
        for row in said["actors"]
    ]
    yield from _table(table, 3)
    yield ""
    rings = [("from", "to", "words", "at least")]
    rings += [
        (row["producer"], row["consumer"], str(row["words"]), str(row["least_words"])) for row in said["channels"]
    ]
    yield from _table(rings, 2)


def _plan_dot(program: Program) -> Iterator[str]:
    yield f"digraph {_quoted(program.network.name)} {{"
    yield "  node [shape=box, style=filled, fillcolor=white];"
    for node in program.pus:
        hosted = [actor for actor in program.actors if actor.node == node]
        yield f"  subgraph cluster_{node} {{"
        yield f"    label={_quoted(f'PU {node} {program.arch.kinds[node]}, {sum(a.cycles for a in hosted)} cycles')};"
        for actor in hosted:
            yield f"    {_quoted(actor.name)};"
        yield "  }"
    yield f"  {_quoted(HOST)} [shape=ellipse];"
    for ring in program.channels:
        yield f"  {_quoted(ring.producer)} -> {_quoted(ring.consumer)} [label={_quoted(f'{ring.size} words')}];"
    yield "}"
