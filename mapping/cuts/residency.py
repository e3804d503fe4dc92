"""Which layers' weights stay in the crossbars and which travel, where a chip has fewer planes than a network takes.

Layers that travel go through windows of planes in turn (`mapping.cuts.reload`): some units have windows as large as the
largest layer that comes into them, one or more each, and the layers go round the units in the network's order, so that
one is loaded while others compute. The others stay: for a number and a size of windows those that save the most among
all that the remaining planes hold, a knapsack, solved exactly, over fewer planes until the units hold them whole. What
a layer saves is its load, and, weighted, its cycles, during which it would hold a window. All sizes, numbers, weights
are ranked by the interval that they allow: that of a few images through the layers (`mapping.cuts.flow`), but no less
than the memory sends, or than the layers' cycles take spread evenly. Of equals, the fewest words come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from mapping.actors.firing import Grain
from mapping.cuts.fitting import MOST_PARTS
from mapping.cuts.flow import Flow
from mapping.cuts.reload import WORDS_MAX, travelling_words
from mapping.cuts.split import Cut, divides, whole_layers
from mapping.operators import task
from pyimc.arch import Arch
from pyimc.engines.imc.tiling import tiles
from pyimc.network import PARTIAL_BYTES, Mvm, Network

MOST_TURNS = 6
WINDOWS = (1, 2, 3)
"""Of a turn."""
WEIGHTS = (0, 0.25, 1, 4)
"""Of a layer's cycles against those of its load: what computes for long holds its window for long."""
MOST_CHOICES = 8
"""That are tried before the network is refused."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer on crossbars.

    Attributes:
        planes: That it takes.
        words: Of its weights, as they travel; 0 if they cannot.
        load: Cycles that a memory PU takes to send them.
        cycles: That it computes for an image.
    """

    name: str
    planes: int
    words: int
    load: int
    cycles: int


_Groups = tuple[tuple[_Layer, ...], ...]


class _Choice(NamedTuple):
    """What a choice is ranked by, the smallest first."""

    interval: int
    words: int
    windows: int


def lacks_planes(network: Network, arch: Arch) -> bool:
    """The chip has a memory to send weights from, and fewer planes than the network takes."""
    if not arch.places("memory"):
        return False
    tasks = (task(node, network, arch) for node in network.nodes)
    different = {each.digest(): each.plane_count(arch) for each in tasks if each.engine == "imc"}
    return sum(different.values()) > len(arch.imcs) * arch.crossbar.planes


def travelling_cuts(network: Network, arch: Arch) -> dict[str, Cut]:
    """Layers that are too large to travel, in the fewest parts that are not: of equal output channels, if they can be.

    A chain of parts that hand on sums costs rings for these; a layer whose columns alone are too long has no choice.
    """
    found = {}
    for name, node in whole_layers(network).items():
        whole, channels = node.extent(network.sources(node)[0]), node.bias.size
        kernel_rows, run = whole.rows[1], whole.run[1]
        across = [count for count in range(1, channels + 1) if channels % count == 0] if arch.dpus else [1]
        down = [count for count in range(1, MOST_PARTS + 1) if divides(count, kernel_rows, run)]
        fitting = (
            Cut(vertical=vertical, horizontal=horizontal)
            for vertical in down
            for horizontal in across
            if vertical == 1 or not channels // horizontal * PARTIAL_BYTES % arch.lanes
            if _travels(kernel_rows * run // vertical, channels // horizontal, arch)
        )
        cut = min(fitting, key=lambda cut: (cut.vertical > 1, cut.horizontal * cut.vertical), default=Cut())
        if cut != Cut():
            found[name] = cut
    return found


def _travels(rows: int, columns: int, arch: Arch) -> bool:
    planes = len(tiles((rows, columns), arch.crossbar))
    return planes <= arch.crossbar.planes and travelling_words((rows, columns), arch) <= WORDS_MAX


def choices(network: Network, arch: Arch, grain: Grain, batch: int = 1) -> list[str]:
    """Values of the option `reload` under which the planes suffice, the best first.

    Args:
        network: As it is to be placed, but for what travels.
        arch: The chip.
        grain: Of the firings, for their cycles.
        batch: Images that a load serves.
    """
    flow = Flow(network, arch, grain)
    layers = [_layer(node, network, arch, flow.cycles[node.name]) for node in network.nodes if isinstance(node, Mvm)]
    sizes = sorted({layer.planes for layer in layers if layer.planes <= arch.crossbar.planes})
    found: dict[str, _Choice] = {}
    for size, turns, windows in product(sizes, range(1, min(MOST_TURNS, len(arch.imcs)) + 1), WINDOWS):
        if windows * size > arch.crossbar.planes:
            continue
        for weight in WEIGHTS:
            groups = _groups(layers, size, turns, windows, weight, arch)
            text = ";".join(_text(group, windows) for group in groups)
            if groups and text not in found:
                found[text] = _Choice(*_rank(layers, groups, windows, flow, arch, batch))
    return sorted(found, key=found.__getitem__)[:MOST_CHOICES]


def _text(group: Sequence[_Layer], windows: int) -> str:
    return ",".join(layer.name for layer in group) + (f"*{windows}" if windows > 1 else "")


def _rank(
    layers: Sequence[_Layer], groups: _Groups, windows: int, flow: Flow, arch: Arch, batch: int
) -> tuple[int, int, int]:  # fmt: skip
    """Of a choice: the interval that it allows, words an image, windows."""
    loads = {layer.name: layer.load for group in groups for layer in group}
    turns = [[layer.name for layer in group] for group in groups]
    words = sum(layer.words for group in groups for layer in group)
    interval = max(
        flow.interval(turns, loads, windows, batch),
        -(-sum(loads.values()) // (batch * len(arch.places("memory")))),
        -(-sum(layer.cycles for layer in layers) // len(arch.imcs)),
    )
    return interval, words // batch, len(groups) * windows


def _layer(node: Mvm, network: Network, arch: Arch, cycles: int) -> _Layer:
    rows, columns = node.weights.size // node.bias.size, node.bias.size
    can = type(node) is Mvm and _travels(rows, columns, arch)
    words = travelling_words((rows, columns), arch) if can else 0
    row_words = arch.crossbar.outputs // arch.lanes
    load = max(words * arch.memory.interval, words // row_words * arch.memory.row_cycles) + arch.memory.latency
    return _Layer(node.name, task(node, network, arch).plane_count(arch), words, load if words else 0, cycles)


def _groups(
    layers: Sequence[_Layer], size: int, turns: int, windows: int, weight: float, arch: Arch
) -> _Groups:  # fmt: skip
    """The layers that go through the windows of each turn, beside those that stay; none if those do not fit.

    Args:
        layers: Of the network.
        size: Planes of a window.
        turns: How many units have windows.
        windows: Of each of them.
        weight: Of the cycles of a layer that stays, against those of its load.
        arch: The chip.
    """
    units, each = len(arch.imcs), arch.crossbar.planes
    fixed = [layer for layer in layers if not layer.words or layer.planes > size]
    left = units * each - turns * windows * size - sum(layer.planes for layer in fixed)
    if left < 0:
        return ()
    free = [layer for layer in layers if layer.words and layer.planes <= size]
    for spare in range(left + 1):
        staying = {layer.name for layer in fixed} | _most_saved(free, left - spare, weight)
        needs = [layer.planes for layer in layers if layer.name in staying]
        if _packs(needs, [each - windows * size] * turns, units, each):
            break
    else:
        return ()
    travelling = [layer for layer in layers if layer.name not in staying]
    if len(travelling) < turns:
        return ()
    return tuple(tuple(travelling[start::turns]) for start in range(turns))


def _packs(needs: Sequence[int], left: Sequence[int], units: int, each: int) -> bool:
    """Whether units hold layers whole, the largest first; those that are larger than a unit are cut to fill some."""
    rooms = [*left, *[each] * (units - len(left))]
    pieces = [piece for need in needs for piece in [each] * (need // each) + [need % each] if piece]
    for piece in sorted(pieces, reverse=True):
        room = min(
            (place for place, room in enumerate(rooms) if room >= piece), key=lambda place: rooms[place], default=None
        )
        if room is None:
            return False
        rooms[room] -= piece
    return True


def _most_saved(layers: Sequence[_Layer], planes: int, weight: float) -> set[str]:
    """The names of the layers that are best kept in so many planes: a knapsack by dynamic programming."""
    best = np.zeros(planes + 1)  # cycles, by planes
    taken = np.zeros((len(layers), planes + 1), bool)
    for index, layer in enumerate(layers):
        if layer.planes <= planes:
            more = best[: planes + 1 - layer.planes] + layer.load + weight * layer.cycles
            taken[index, layer.planes :] = more > best[layer.planes :]
            best[layer.planes :] = np.maximum(best[layer.planes :], more)
    found = set()
    for index in range(len(layers) - 1, -1, -1):
        if taken[index, planes]:
            found.add(layers[index].name)
            planes -= layers[index].planes
    return found
