"""LBLP+: cuts what bounds the rate, then places with LBLP and improves by search on the cycle model. Ours.

LBLP leaves every layer whole, so the largest one bounds the rate however well the others are spread. Three steps:

1. Cut. From several starts, whole layers and layers cut in their cheapest way into parts no larger than some shares of
   the mean load: while it lowers the loads, the largest layer of the most loaded unit gets one more copy, or is cut
   into more vertical or horizontal parts, whichever gives the lowest loads (compared largest first) when all nodes are
   placed longest first. Joins are nodes too: they take digital units and are counted. The lowest end wins.
2. Place. LBLP and longest processing time first both place the cut network; nodes then move between units, or swap,
   while that lowers the largest loads.
3. Try. The cycle model runs each candidate, with units of a kind exchanged on the mesh so that flits travel fewer hops
   and without; then, for `steps` steps, moves a node off the most loaded unit. The shortest interval wins, then the
   lowest latency.

Options:
    steps: Moves tried on the cycle model.
    parts: The most parts that a layer is cut into.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mapping.buffers import allocate, size_edges
from mapping.codegen import generate
from mapping.graph import Graph, build_graph
from mapping.mesh import shorten_routes
from mapping.placement import Ledger, Options, Placement, Whole, loads, read_options
from mapping.split import Cut, split_network, whole_layers
from mapping.strategies import lblp, lpt
from pyimc.arch import Arch
from pyimc.cycle.model import simulate
from pyimc.errors import CapacityError, ConfigError
from pyimc.network import Mvm, Network
from pyimc.program import Origin

OPTIONS = {"steps": Whole(8, 0, 1000), "parts": Whole(16, 1, 256)}
SHARES = (1.0, 0.75, 0.5, 0.34)
NO_ROOM = 1 << 62
IMAGES = 5
"""Images of a trial on the cycle model; the interval is that of those in the middle."""


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What to expect of a cut: loads, largest first, and the layers on the most loaded unit, largest first."""

    loads: tuple[int, ...]
    critical: tuple[str, ...]


def cuts(network: Network, arch: Arch, options: Options, seed: int) -> dict[str, Cut]:
    """Which layers to cut, and how; raises CapacityError if even the whole layers find no room."""
    del seed  # nothing random
    most = read_options(options, "lblp_plus", OPTIONS)["parts"]
    found = [_refine(network, arch, start, int(most)) for start in _starts(network, arch, int(most))]
    return min(found, key=lambda pair: pair[0].loads)[1]


def _starts(network: Network, arch: Arch, most: int) -> Iterator[dict[str, Cut]]:
    """Cuts to start from: none, and every layer larger than a share of the mean load cut in its cheapest way."""
    yield {}
    layers = whole_layers(network)
    cycles = {name: _work(network, node, Cut(), arch)[0] for name, node in layers.items()}
    mean = sum(cycles.values()) // max(1, len(arch.imcs))
    for share in SHARES:
        parts = {name: -(-count // max(1, int(mean * share))) for name, count in cycles.items()}
        cuts = {
            name: _cheapest(network, layers[name], min(count, most), arch) for name, count in parts.items() if count > 1
        }
        yield {name: cut for name, cut in cuts.items() if cut}


def _cheapest(network: Network, node: Mvm, parts: int, arch: Arch) -> Cut | None:
    """The cut of a layer into at least so many parts that adds least work to the units, counted in time of all."""
    rows, run = node.kernel[0], node.weights[0].size // node.kernel[0]
    ways = [Cut(copies=parts)] if parts <= network.tensors[node.output].width else []
    ways += [Cut(vertical=count) for count in range(parts, 2 * parts) if _divides(rows, run, count)][:1]
    ways += [Cut(horizontal=count) for count in range(parts, 2 * parts) if node.bias.size % count == 0][:1]

    def time(cut: Cut) -> float:
        try:
            imc, dpu = _work(network, node, cut, arch)
        except CapacityError:
            return float("inf")
        return imc / len(arch.imcs) + (dpu / len(arch.dpus) if arch.dpus else float("inf") if dpu else 0)

    return min(ways, key=time, default=None)


def _work(network: Network, node: Mvm, cut: Cut, arch: Arch) -> tuple[int, int]:
    """Cycles of a layer alone on imc and on dpu units; raises CapacityError for a cut that the machine cannot have."""
    tensors = {name: network.tensors[name] for name in (*node.inputs, node.output)}
    alone = Network(network.name, node.inputs[0], (node.output,), tensors, (node,))
    nodes = build_graph(split_network(alone, {node.name: cut}), arch).nodes.values()
    imc = sum(part.cycles for part in nodes if part.kind == "imc")
    return imc, sum(part.cycles for part in nodes) - imc


def _refine(network: Network, arch: Arch, chosen: dict[str, Cut], most: int) -> tuple[_Outlook, dict[str, Cut]]:
    """Cuts further while that lowers the loads; loads without end if the start itself has no room."""
    try:
        best = _outlook(network, arch, chosen)
    except CapacityError:
        if not chosen:
            raise
        return _Outlook((NO_ROOM,), ()), chosen
    tried: set[str] = set()
    while layer := next((name for name in best.critical if name not in tried), None):
        found = best
        taken = chosen
        for cut in _finer(network, layer, chosen.get(layer, Cut()), most):
            try:
                outlook = _outlook(network, arch, {**chosen, layer: cut})
            except (CapacityError, ConfigError):  # no room, or too many destinations, for this one
                continue
            if outlook.loads < found.loads:
                found, taken = outlook, {**chosen, layer: cut}
        tried = {layer, *tried} if found is best else set()
        best, chosen = found, taken
    return best, chosen


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places the cut network; raises CapacityError, or ConfigError for a wrong option."""
    steps = int(read_options(options, "lblp_plus", OPTIONS)["steps"])
    candidates: list[Placement] = []
    for strategy in (lblp.place, lpt.place):
        balanced = _balance(graph, arch, strategy(graph, arch, {}, seed))
        candidates += [balanced, shorten_routes(graph, arch, balanced)]
    scored = [(_measure(graph, arch, placement), placement) for placement in candidates]
    score, best = min(scored, key=lambda pair: pair[0])
    for moved in _moves(graph, arch, best):
        if not steps:
            break
        steps -= 1
        trial = _measure(graph, arch, moved)
        if trial < score:
            score, best = trial, moved
    return best


def _outlook(network: Network, arch: Arch, chosen: dict[str, Cut]) -> _Outlook:
    cut = split_network(network, chosen)
    graph = size_edges(build_graph(cut, arch))
    totals = loads(graph, arch, placement := lpt.place(graph, arch, {}, 0))
    heaviest = max(totals, key=lambda unit: totals[unit])
    layers = {node.output: name for name, node in whole_layers(network).items()}
    hosted = [node for name, node in graph.nodes.items() if placement.nodes[name] == heaviest and node.kind == "imc"]
    hosted.sort(key=lambda node: -node.cycles)
    tensors = (node.operator.output.split("/")[0] for node in hosted)
    critical = dict.fromkeys(layers[tensor] for tensor in tensors if tensor in layers)
    return _Outlook(tuple(sorted(totals.values(), reverse=True)), tuple(critical))


def _finer(network: Network, layer: str, cut: Cut, most: int) -> Iterator[Cut]:
    """The next cuts of a layer: one more copy, more vertical parts, more horizontal parts."""
    node = whole_layers(network)[layer]
    channels = node.bias.size
    run = node.weights[0].size // node.kernel[0]
    finer = [replace(cut, copies=cut.copies + 1)]
    vertical = (n for n in range(cut.vertical + 1, most + 1) if _divides(node.kernel[0], run, n))
    horizontal = (n for n in range(cut.horizontal + 1, most + 1) if channels % n == 0)
    finer += [replace(cut, vertical=n) for n in list(vertical)[:1]]
    finer += [replace(cut, horizontal=n) for n in list(horizontal)[:1]]
    return (better for better in finer if better.copies * better.vertical * better.horizontal <= most)


def _divides(rows: int, run: int, parts: int) -> bool:
    """The kernel can be cut into so many vertical parts, each of whole rows or a share of one."""
    return rows % parts == 0 or (parts % rows == 0 and run % (parts // rows) == 0)


def _balance(graph: Graph, arch: Arch, placement: Placement) -> Placement:
    """Moves nodes off the most loaded units, or swaps them with smaller ones, while the loads fall."""
    best, totals = placement, loads(graph, arch, placement)
    improved = True
    while improved:
        improved = False
        for changed in _changes(graph, arch, best, totals):
            after = loads(graph, arch, changed)
            if sorted(after.values(), reverse=True) < sorted(totals.values(), reverse=True) and _fits(
                graph, arch, changed
            ):
                best, totals, improved = changed, after, True
                break
    return best


def _changes(graph: Graph, arch: Arch, placement: Placement, totals: dict[int, int]) -> Iterator[Placement]:
    """Every move of a node from the most loaded unit of its kind to another, and every swap that lightens it."""
    kinds = {unit: "dpu" if unit in arch.dpus else "imc" for unit in totals}
    for kind in ("imc", "dpu"):
        own = [unit for unit in totals if kinds[unit] == kind]
        if len(own) < 2:
            continue
        full = max(own, key=lambda unit: totals[unit])
        here = [name for name, unit in placement.nodes.items() if unit == full]
        for other in sorted((unit for unit in own if unit != full), key=lambda unit: totals[unit]):
            gap = totals[full] - totals[other]
            there = [name for name, unit in placement.nodes.items() if unit == other]
            for name in here:
                cycles = graph.nodes[name].cycles
                if 0 < cycles < gap:
                    yield replace(placement, nodes={**placement.nodes, name: other})
                for partner in there:
                    if 0 < cycles - graph.nodes[partner].cycles < gap:
                        yield replace(placement, nodes={**placement.nodes, name: other, partner: full})


def _fits(graph: Graph, arch: Arch, placement: Placement) -> bool:
    ledger = Ledger(graph, arch)
    try:
        for name, unit in placement.nodes.items():
            if unit not in ledger.feasible(name):
                return False
            ledger.place(name, unit)
    except CapacityError:
        return False
    return True


def _measure(graph: Graph, arch: Arch, placement: Placement) -> tuple[int, int]:
    """Interval and latency on the cycle model."""
    origin = Origin(graph.network.name, "lblp_plus", {}, 0, [], {}, "")
    program = generate(graph, arch, placement, allocate(graph, arch, placement), origin)
    result = simulate(program, IMAGES)
    last = result.last_cycles
    return (last[-2] - last[1]) // (IMAGES - 3), last[0] - result.first_cycles[0]


def _moves(graph: Graph, arch: Arch, placement: Placement) -> Iterator[Placement]:
    """Single changes of a placement, those that lower the largest loads most first."""
    totals = loads(graph, arch, placement)
    fitting: Callable[[Placement], bool] = lambda changed: _fits(graph, arch, changed)  # noqa: E731
    found = filter(fitting, _changes(graph, arch, placement, totals))
    yield from sorted(found, key=lambda changed: sorted(loads(graph, arch, changed).values(), reverse=True))
