"""Cuts and places layers so that every crossbar PU has the same load: a wrap-around rule.

With preemption, m machines finish together if the jobs are cut where a machine is full (R. McNaughton, "Scheduling with
Deadlines and Loss Functions", Management Science 6 (1959)). A layer that is cut into copies is such a job: a copy takes
any number of its output columns (`cuts/split.py`), and the copies together take hardly more cycles than the layer; a
pooling behind it is cut with it (`cuts/pooled.py`). What a cut costs is a join on a dpu PU, columns that two copies
compute for a pooling, one more destination of the producer, and the planes and buffers of a copy; so as few as
possible: the largest piece left goes whole to the fullest PU that has the load left for it; if none has, it fills
the emptiest one, and the rest goes back to the others. "Largest" is blurred in some ways; the one with the least to
join is taken.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from random import Random

from mapping.actors.cost import tensor_flits
from mapping.actors.graph import Graph
from mapping.cuts.pooled import pool_behind
from mapping.cuts.split import Cut, whole_layers
from mapping.placement.ledger import Ledger, NoRoom
from pyimc.arch import Arch
from pyimc.engines import ENGINES
from pyimc.network import Mvm, Network, Pool
from pyimc.program import HOST, HOST_SLOTS

ORDERS = 40
"""Orders of the layers that are tried for a load."""
BLUR = 0.5
"""By how much a layer may be taken for larger than it is, as a share."""
SLACK = 1.2
"""Loads are tried up to the largest node, and up to this, in the bound."""
STEP = 1.003
"""From one load tried to the next."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """Layers in copies.

    Attributes:
        cuts: By layer.
        nodes: Unit of every crossbar node of the cut network.
        load: The largest load that was allowed, in cycles.
        flits: That go through joins.
    """

    cuts: Mapping[str, Cut]
    nodes: Mapping[str, int]
    load: int
    flits: int


def cuttings(graph: Graph, arch: Arch, most: int) -> Iterator[Cutting]:
    """Different ones, in the order of the load that they allow.

    Args:
        graph: Of whole layers, with the smallest rings.
        arch: The chip.
        most: The most copies of a layer.
    """
    load, pools = uncut_bound(graph, arch), pools_behind(graph.network)
    random = Random(0)
    sizes = [dict.fromkeys(graph.nodes, 1.0)]
    sizes += [{name: 1 + BLUR * random.random() for name in graph.nodes} for _ in range(ORDERS - 1)]
    seen = []
    end = max(*(node.cycles for node in graph.nodes.values()), int(load * SLACK))
    while load <= end:
        tries = (_wrap_around(graph, arch, pools, load, most, blur) for blur in sizes)
        found = min((each for each in tries if each), key=lambda cutting: cutting.flits, default=None)
        if found and found.nodes not in seen:
            seen.append(found.nodes)
            yield found
        load = int(load * STEP) + 1


def uncut_bound(graph: Graph, arch: Arch) -> int:
    """The mean loads of the network as it is, and the largest node that no cutting of layers into copies divides."""
    means = [
        -(-sum(node.cycles for node in graph.nodes.values() if node.kind == kind) // max(1, len(arch.places(kind))))
        for kind in ENGINES
    ]
    divided = whole_layers(graph.network).keys() | {pool.name for pool in pools_behind(graph.network).values()}
    return max(*means, *(node.cycles for name, node in graph.nodes.items() if name not in divided))


def pools_behind(network: Network) -> dict[str, Pool]:
    """The poolings that are cut with the layers before them, by layer."""
    found = {name: pool_behind(network, layer) for name, layer in whole_layers(network).items()}
    return {name: pool for name, pool in found.items() if pool}


def _wrap_around(
    graph: Graph, arch: Arch, pools: Mapping[str, Pool], load: int, most: int, blur: Mapping[str, float]
) -> Cutting | None:
    """The cutting with a given largest load, layers taken for `blur` times their size; None if one finds no room."""
    whole = whole_layers(graph.network)
    layers = {name: node for name, node in graph.nodes.items() if type(node.operator) is Mvm}
    width = {name: graph.network.tensors[node.operator.output].width for name, node in layers.items()}
    column = {name: -(-node.cycles // width[name]) for name, node in layers.items()}  # cycles
    extra = {name: pools[name].kernel[1] - 1 if name in pools else 0 for name in layers}  # columns of every copy
    slots = {name: arch.destinations - len(graph.outputs(name)) for name in graph.nodes}
    slots[HOST] = HOST_SLOTS - len(graph.outputs(HOST))
    ledger = Ledger(graph, arch)
    pieces: dict[str, list[tuple[int, int]]] = {name: [] for name in layers}  # unit, columns
    queue = [(-node.cycles * blur[name], name, width[name], node.cycles) for name, node in layers.items()]
    heapify(queue)
    while queue:
        _, name, columns, cycles = heappop(queue)
        try:
            free = [unit for unit in ledger.feasible(name) if unit not in dict(pieces[name])]
        except NoRoom:
            return None
        fitting = [unit for unit in free if ledger.load[unit] + cycles <= load]
        taken, unit = columns, max(fitting, key=lambda unit: (ledger.load[unit], -unit), default=None)
        if unit is None:
            producer = graph.inputs(name)[0].producer
            if not free or name not in whole or len(pieces[name]) + 1 >= most or not slots[producer]:
                return None
            unit = ledger.least_loaded(free)
            taken = (load - ledger.load[unit]) // column[name] - extra[name]
            if taken < 1:
                return None
            slots[producer] -= 1
            rest = (columns - taken + extra[name]) * column[name]
            heappush(queue, (-rest * blur[name], name, columns - taken, rest))
        ledger.place(name, unit, min((taken + extra[name]) * column[name], cycles))
        pieces[name].append((unit, taken))
    cuts = {name: Cut(columns=tuple(taken for _, taken in parts)) for name, parts in pieces.items() if len(parts) > 1}
    nodes = {
        f"{name}/c{copy}" if name in cuts else name: unit
        for name, parts in pieces.items()
        for copy, (unit, _) in enumerate(parts)
    }
    tensors = {name: graph.network.tensors[pools.get(name, node.operator).output] for name, node in layers.items()}
    flits = sum((len(parts) - 1) * tensor_flits(tensors[name], arch) for name, parts in pieces.items())
    return Cutting(cuts, nodes, load, flits)
