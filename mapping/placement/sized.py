"""Architectures of a given number of crossbar PUs, for comparisons over the size of a chip.

Derived from a base: as many dpu PUs per imc PU as there (at least one, and as many as the network's actors need
contexts of), on the smallest mesh that holds them and the host and is at most twice as wide as high; what is left of
the mesh are dpu PUs, too. They are spread evenly over it.

What a PU holds grows, so that few PUs hold the network, too, and room is not what is compared: planes, contexts,
parameters, instructions and the vector engines' weights to what the largest node takes and to twice the even share of
all nodes of a kind (twice, as placements are uneven), the activation memory to the largest that there is. Nothing
shrinks. Depthwise layers have room on either kind.
"""

from mapping.actors.graph import Graph, build_graph
from mapping.cuts.depthwise import ALL, NONE, on_engines
from mapping.cuts.fitting import fitting_cuts
from mapping.cuts.split import split_network
from mapping.placement.room import demand
from pyimc.arch import Arch, arch_from_dict
from pyimc.errors import ConfigError
from pyimc.network import Network

ACTIVATION_WORDS = 65535
MESH_SIDE = 16
CREDIT_SLOTS = 256
RESOURCES = {
    "planes": "planes",
    "contexts": "contexts",
    "parameters": "parameter channels",
    "instructions": "instructions",
    "weight_words": "weight words",
}
"""What an actor takes, by the name in an architecture."""
MOST = {"planes": 1024, "parameters": 32768, "instructions": 4096, "weight_words": 16384}
"""Of which an architecture can have no more."""


def sized(base: Arch, imcs: int, network: Network) -> Arch:
    """The base architecture with `imcs` crossbar PUs, each with room enough for a network.

    Raises:
        ConfigError: No mesh holds so many PUs.
        CapacityError: A layer that no PU of the base can compute, however many there are.
        UnsupportedOperator: A node that no engine computes.
    """
    grown = base.model_copy(
        update={
            "activation_words": ACTIVATION_WORDS,
            "parameters": MOST["parameters"],
            "crossbar": base.crossbar.model_copy(update={"planes": MOST["planes"]}),
        }
    )
    ways = [on_engines(network, base, how)[0] for how in (NONE, ALL)]
    graphs = [build_graph(split_network(each, fitting_cuts(each, grown)), base) for each in ways]
    contexts = min(64, CREDIT_SLOTS // base.destinations)
    actors = sum(node.kind == "dpu" for node in graphs[-1].nodes.values())
    data = base.model_dump(mode="json")
    data |= {} if imcs == len(base.imcs) else _layout(base, imcs, fewest=max(1, -(-actors // contexts)))
    units = {"imc": imcs, "dpu": len(data["dpus"])}
    most = {**MOST, "contexts": contexts}
    room = {name: min(max(_room(graph, units, name) for graph in graphs), limit) for name, limit in most.items()}
    planes = max(base.crossbar.planes, room.pop("planes"))
    data |= {name: max(data[name], value) for name, value in room.items()}
    data |= {
        "name": f"{base.name}-{imcs}",
        "activation_words": ACTIVATION_WORDS,
        "crossbar": {**data["crossbar"], "planes": planes},
    }
    return arch_from_dict(data, f"{base.name} with {imcs} imc PUs")


def _layout(base: Arch, imcs: int, fewest: int) -> dict[str, object]:
    """Mesh, host and dpus, of which there are at least the fewest."""
    dpus = max(fewest, round(imcs * len(base.dpus) / max(1, len(base.imcs))))
    sides = [(columns, rows) for rows in range(1, MESH_SIDE + 1) for columns in range(rows, MESH_SIDE + 1)]
    meshes = [mesh for mesh in sides if mesh[0] <= 2 * mesh[1] and mesh[0] * mesh[1] > imcs + dpus]
    if imcs < 1 or not meshes:
        raise ConfigError(f"{imcs} imc PUs: must be 1 or more, and fit a mesh of 16 x 16 with {dpus} dpu PUs")
    columns, rows = min(meshes, key=lambda mesh: (mesh[0] * mesh[1], mesh[0]))
    others = columns * rows - 1
    count = others - imcs
    return {
        "mesh": {**base.mesh.model_dump(), "columns": columns, "rows": rows},
        "host": 0,
        "dpus": [1 + others * (2 * index + 1) // (2 * count) for index in range(count)],
    }


def _room(graph: Graph, units: dict[str, int], resource: str) -> int:
    """What a PU should hold of a resource, rounded up to a power of two where that is the hardware's unit."""
    most = 1
    for kind, count in units.items():
        needs = [
            demand(graph, node.name).get(RESOURCES[resource], 0) for node in graph.nodes.values() if node.kind == kind
        ]
        most = max(most, -(-2 * sum(needs) // max(1, count)), *needs)
    return 1 << (most - 1).bit_length() if resource in ("contexts", "parameters") else most
