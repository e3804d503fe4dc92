"""One layer in parts, on a chip made for them: the parts next to each other, placed by hand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import numpy as np

from mapping.actors.buffers import allocate, size_edges
from mapping.actors.firing import Grain
from mapping.actors.graph import build_graph
from mapping.actors.plan import Settings
from mapping.actors.validate import check_placement, check_program, check_schedule
from mapping.code.codegen import generate
from mapping.cuts.relay import add_relays
from mapping.cuts.split import Cut, split_network
from mapping.placement.ledger import Placement
from pyimc.arch import Arch, arch_from_dict
from pyimc.network import Mvm, Network, TensorType
from pyimc.program import Origin, Program


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution by its shape: the values of its weights do not change its cycles."""

    name: str
    size: int
    channels: int
    outputs: int
    kernel: int

    def network(self) -> Network:
        """A network of this layer alone, with seeded weights."""
        rng = np.random.default_rng(0)
        shape = (self.outputs, self.kernel, self.kernel, self.channels)
        layer = Mvm(
            name="layer", inputs=("x",), output="y", kernel=(self.kernel, self.kernel), stride=(1, 1),
            pads=(self.kernel // 2,) * 4, weights=rng.integers(-127, 128, shape, np.int8),
            bias=np.zeros(self.outputs, np.int32), multiplier=np.full(self.outputs, 1 << 30, np.int32),
            shift=np.full(self.outputs, 42, np.uint8), input_zero_point=0, output_zero_point=128, clamp=(0, 255),
        )  # fmt: skip
        tensors = {
            "x": TensorType(self.size, self.size, self.channels, 1.0, 0),
            "y": TensorType(self.size, self.size, self.outputs, 1.0, 128),
        }
        return Network(self.name, "x", ("y",), tensors, (layer,))


def ring_chip(parts: int, rows: int, adcs: int) -> Arch:
    """Crossbar PUs in a ring of neighbours on rows 1 and 2 of a mesh of four; the host and digital PUs around them."""
    columns = -(-parts // 2)
    ring = range(columns, 3 * columns)
    data = {
        "name": f"ring{parts}", "mesh": {"columns": columns, "rows": 4, "fifo_depth": 4}, "host": 0,
        "dpus": [node for node in range(1, 4 * columns) if node not in ring], "word_bits": 128, "packet_words": 16,
        "contexts": 16, "destinations": 8, "instructions": 1024, "activation_words": 65535, "partial_words": 65535,
        "parameters": 4096, "output_columns": 1024, "host_words": 8192,
        "crossbar": {"rows": rows, "columns": 256, "planes": 1024, "adcs": adcs, "dac_bits": 1},
    }  # fmt: skip
    return arch_from_dict(data, "study")


def compile_parts(layer: Layer, cut: Cut, parts: int, grain: Grain, rows: int, adcs: int, slack_rows: int) -> Program:
    """The Program of a layer with a part on every PU of the ring: in cyclic order, those of the same weights.

    Args:
        layer: What to cut.
        cut: Into `parts` parts.
        parts: Crossbar PUs.
        grain: See `mapping.actors.firing`.
        rows: Of a crossbar.
        adcs: Of a crossbar.
        slack_rows: See `mapping.actors.buffers`.
    """
    arch = ring_chip(parts, rows, adcs)
    columns = arch.mesh.columns
    ring = [*range(columns, 2 * columns), *reversed(range(2 * columns, 3 * columns))]
    graph = size_edges(build_graph(add_relays(split_network(layer.network(), {"layer": cut}), arch), arch, grain))
    where: dict[str, int] = {}
    free, digital = iter(ring), cycle(arch.dpus)
    places: dict[str, int] = {}
    for name, node in graph.nodes.items():
        part = node.weights if cut.vertical > 1 else name
        if node.kind == "imc" and part not in places:
            places[part] = next(free)
        where[name] = places[part] if node.kind == "imc" else next(digital)
    placement = Placement(where)
    check_placement(graph, arch, placement)
    channels = allocate(graph, arch, placement, slack_rows)
    check_schedule(graph, arch, placement, channels)
    options = Settings(slack_rows, grain).options()
    origin = Origin(layer.name, "by hand", options, 0)
    program = generate(graph, arch, placement, channels, origin)
    check_program(program)
    return program
