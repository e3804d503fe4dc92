"""Which layers' weights stay in the crossbars and which travel, where a chip has fewer planes than a network takes.

Layers that travel share windows of planes in turn (`mapping.cuts.reload`): a window takes the planes of its largest
layer, and layers go round the windows in the network's order, so that one is loaded while the one before computes.
The others stay. For a size of window and a number of windows, those stay that have the most words of weights among
all that the remaining planes hold: a knapsack, solved exactly, over fewer planes until the units hold them whole.
Sizes and numbers are ranked by the interval that they allow: no image comes faster than the memory sends what
travels, nor than a window's layers are loaded and computed one after the other, nor than the layers' cycles take
spread evenly. Of equals, the fewest words come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mapping.actors.cost import node_cycles
from mapping.actors.firing import Grain
from mapping.cuts.reload import WORDS_MAX, can_travel, travelling_words
from mapping.cuts.split import Cut, whole_layers
from mapping.operators import image_firings, task
from pyimc.arch import Arch
from pyimc.engines.imc.tiling import tiles
from pyimc.network import Mvm, Network

MOST_WINDOWS = 4
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


@dataclass(frozen=True, slots=True)
class _Choice:
    """Windows with the layers in each, in the network's order, and the interval that they allow."""

    interval: int
    words: int
    windows: tuple[tuple[_Layer, ...], ...]


def lacks_planes(network: Network, arch: Arch) -> bool:
    """The chip has a memory to send weights from, and fewer planes than the network takes."""
    if not arch.places("memory"):
        return False
    tasks = (task(node, network, arch) for node in network.nodes)
    different = {each.digest(): each.plane_count(arch) for each in tasks if each.engine == "imc"}
    return sum(different.values()) > len(arch.imcs) * arch.crossbar.planes


def travelling_cuts(network: Network, arch: Arch) -> dict[str, Cut]:
    """Layers that are too large to travel, in the fewest parts of equal output channels that are not."""
    found = {}
    for name, node in whole_layers(network).items():
        channels = node.bias.size
        rows = node.weights.size // channels
        counts = [count for count in range(1, channels + 1) if channels % count == 0] if arch.dpus else [1]
        fitting = (count for count in counts if _travels(rows, channels // count, arch))
        count = next(fitting, 1)
        if count > 1:
            found[name] = Cut(horizontal=count)
    return found


def _travels(rows: int, columns: int, arch: Arch) -> bool:
    planes = len(tiles((rows, columns), arch.crossbar))
    return planes <= arch.crossbar.planes and travelling_words((rows, columns), arch) <= WORDS_MAX


def choices(network: Network, arch: Arch, grain: Grain) -> list[str]:
    """Values of the option `reload` under which the planes suffice, the best first.

    Args:
        network: As it is to be placed, but for what travels.
        arch: The chip.
        grain: Of the firings, for their cycles.
    """
    layers = [_layer(node, network, arch, grain) for node in network.nodes if isinstance(node, Mvm)]
    units, each = len(arch.imcs), arch.crossbar.planes
    sizes = sorted({layer.planes for layer in layers if layer.planes <= each})
    found = [
        choice
        for size in sizes
        for count in range(1, min(MOST_WINDOWS, units) + 1)
        if (choice := _choice(layers, size, count, arch))
    ]
    found.sort(key=lambda choice: (choice.interval, choice.words, len(choice.windows)))
    texts = (";".join(",".join(layer.name for layer in window) for window in choice.windows) for choice in found)
    return list(dict.fromkeys(texts))[:MOST_CHOICES]


def _layer(node: Mvm, network: Network, arch: Arch, grain: Grain) -> _Layer:
    asked = task(node, network, arch)
    rows, columns = node.weights.size // node.bias.size, node.bias.size
    words = (
        travelling_words((rows, columns), arch) if can_travel(node, network) and _travels(rows, columns, arch) else 0
    )
    row_words = arch.crossbar.columns // arch.lanes
    load = max(words * arch.memory.interval, words // row_words * arch.memory.row_cycles) + arch.memory.latency
    cycles = node_cycles(asked, arch, image_firings(network, node, arch, grain), 1)
    return _Layer(node.name, asked.plane_count(arch), words, load if words else 0, cycles)


def _choice(layers: Sequence[_Layer], size: int, count: int, arch: Arch) -> _Choice | None:
    """The layers that stay beside `count` windows, and those in the windows; None if they do not fit."""
    units, each = len(arch.imcs), arch.crossbar.planes
    planes = units * each - count * size
    fixed = [layer for layer in layers if not layer.words or layer.planes > size]
    left = planes - sum(layer.planes for layer in fixed)
    if left < 0:
        return None
    free = [layer for layer in layers if layer.words and layer.planes <= size]
    for spare in range(left + 1):
        staying = {layer.name for layer in fixed} | _most_words(free, left - spare)
        if _packs([layer.planes for layer in layers if layer.name in staying], [each - size] * count, units, each):
            break
    else:
        return None
    travelling = [layer for layer in layers if layer.name not in staying]
    if len(travelling) < count:
        return None
    windows = tuple(tuple(travelling[start::count]) for start in range(count))
    interval = max(
        -(-sum(layer.load for layer in travelling) // len(arch.places("memory"))),
        *(sum(layer.load + layer.cycles for layer in window) for window in windows),
        -(-sum(layer.cycles for layer in layers) // len(arch.imcs)),
    )
    return _Choice(interval, sum(layer.words for layer in travelling), windows)


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


def _most_words(layers: Sequence[_Layer], planes: int) -> set[str]:
    """The names of the layers with the most words that so many planes hold: a knapsack by dynamic programming."""
    best = np.zeros(planes + 1, np.int64)  # words, by planes
    taken = np.zeros((len(layers), planes + 1), bool)
    for index, layer in enumerate(layers):
        if layer.planes <= planes:
            more = best[: planes + 1 - layer.planes] + layer.words
            taken[index, layer.planes :] = more > best[layer.planes :]
            best[layer.planes :] = np.maximum(best[layer.planes :], more)
    found = set()
    for index in range(len(layers) - 1, -1, -1):
        if taken[index, planes]:
            found.add(layers[index].name)
            planes -= layers[index].planes
    return found
