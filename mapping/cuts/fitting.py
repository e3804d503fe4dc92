"""Cuts layers that are wider or taller than a processing unit, so that nobody has to ask for it.

A layer with more output channels than a unit has accumulators or parameters, with more tiles than it has planes, or
with a window that its activation memory does not hold, becomes the fewest parts that units hold; of equally many those
with the fewest vertical ones, as sums that travel take four bytes. A layer that units hold stays whole, so a network
that fits is compiled as ever. Where the planes suffice in total but are left in pieces that are too small for a layer,
the layers of the largest pieces are cut further, one after the other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import gcd
from typing import TypeVar

from mapping.actors.firing import row_words
from mapping.cuts.split import Cut, divides, whole_layers
from mapping.operators import task
from mapping.placement.ledger import NoRoom
from pyimc.arch import Arch
from pyimc.engines.imc.tiling import tiles
from pyimc.errors import CapacityError
from pyimc.network import PARTIAL_BYTES, Mvm, Network

FINER = 32
"""Layers that are cut further before the placement is given up."""
MOST_PARTS = 64
"""Of a layer, each way."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Way:
    """A cut and what each of its parts takes."""

    cut: Cut
    planes: int

    @property
    def parts(self) -> int:
        return self.cut.horizontal * self.cut.vertical


def with_fitting_parts(
    network: Network, arch: Arch, attempt: Callable[[Mapping[str, Cut]], Result]
) -> tuple[Result, Mapping[str, Cut]]:
    """Places a network whose layers are cut as units need it.

    Args:
        network: In which the cuts that the user asks for are made; parts of layers stay as they are.
        arch: The chip.
        attempt: Places the network with the cuts that it is given.

    Returns:
        What `attempt` returns, and the cuts that it was given; none if every layer fits.

    Raises:
        CapacityError: It takes more planes than the chip has, or `attempt` finds no room, however layers are cut.
    """
    layers = whole_layers(network)
    chosen = {name: way for name, node in layers.items() if (way := _coarsest(network, node, arch))}
    first: NoRoom | None = None
    for _ in range(FINER):
        cuts = {name: way.cut for name, way in chosen.items() if way.parts > 1}
        try:
            return attempt(cuts), cuts
        except NoRoom as refusal:
            first = first or refusal
            if "crossbar.planes" not in refusal.lacking:
                raise first from None
            _require_planes(network, arch)
            finer = _finer(network, layers, chosen, arch)
            if finer is None:
                raise first from None
            chosen |= finer
    assert first is not None
    raise first


def fitting_cuts(network: Network, arch: Arch) -> dict[str, Cut]:
    """The cuts without which no unit of the architecture holds a layer; empty for a network whose layers all fit."""
    ways = {name: _coarsest(network, node, arch) for name, node in whole_layers(network).items()}
    return {name: way.cut for name, way in ways.items() if way and way.parts > 1}


def _coarsest(network: Network, node: Mvm, arch: Arch) -> _Way | None:
    """The way with the fewest parts, which is the whole layer if a unit holds it; None if there is none."""
    whole = _way(network, node, arch, 1, 1)
    return whole or min(
        _ways(network, node, arch), key=lambda way: (way.parts, way.cut.vertical, way.planes), default=None
    )


def _finer(
    network: Network, layers: Mapping[str, Mvm], chosen: Mapping[str, _Way], arch: Arch
) -> dict[str, _Way] | None:
    """A layer of the largest parts in smaller ones, which take the fewest planes in all."""
    for name in sorted(chosen, key=lambda name: -chosen[name].planes):
        smaller = (way for way in _ways(network, layers[name], arch) if way.planes < chosen[name].planes)
        way = min(smaller, key=lambda way: (way.parts * way.planes, way.parts), default=None)
        if way:
            return {name: way}
    return None


def _ways(network: Network, node: Mvm, arch: Arch) -> Iterator[_Way]:
    """Cuts of which a unit holds every part."""
    whole = node.extent(network.sources(node)[0])
    rows, run, channels = whole.rows[1], whole.run[1], node.bias.size
    across = [count for count in range(1, MOST_PARTS + 1) if channels % count == 0] if arch.dpus else [1]
    down = [count for count in range(1, min(MOST_PARTS, rows * run) + 1) if divides(count, rows, run)]
    for horizontal in across:
        for vertical in down:
            if found := _way(network, node, arch, horizontal, vertical):
                yield found


def _way(network: Network, node: Mvm, arch: Arch, horizontal: int, vertical: int) -> _Way | None:
    """A cut, if a unit holds every part: columns, parameters, planes, the rows of a window, and a row of sums."""
    source, target = network.sources(node)[0], network.target(node)
    whole = node.extent(source)
    rows, channels = whole.rows[1], node.bias.size // horizontal
    planes = len(tiles((rows * whole.run[1] // vertical, channels), arch.crossbar))
    window = min(rows // gcd(vertical, rows), source.height) * row_words(source, arch)
    fits = (
        channels <= min(arch.output_columns, arch.parameters)
        and planes <= arch.crossbar.planes
        and window <= arch.activation_words
    )
    if vertical > 1:
        sums = row_words(replace(target, channels=channels, partial=True), arch)
        fits &= not channels * PARTIAL_BYTES % arch.lanes and sums <= arch.partial_words
    return _Way(Cut(vertical=vertical, horizontal=horizontal), planes) if fits else None


def _require_planes(network: Network, arch: Arch) -> None:
    """Refuses a network for which the planes of all units together are too few.

    Raises:
        CapacityError: With what it takes, and how many units or planes would do.
    """
    tasks = (task(node, network, arch) for node in network.nodes)
    different = {each.digest(): each.plane_count(arch) for each in tasks if each.engine == "imc"}
    needed, units = sum(different.values()), len(arch.imcs)
    have = units * arch.crossbar.planes
    if needed <= have:
        return
    more = -(-needed // arch.crossbar.planes)
    raise CapacityError(
        f"network {network.name}: its weights take {needed} planes of {arch.crossbar.rows}x{arch.crossbar.outputs}, "
        f"the {units} imc PUs of architecture {arch.name} have {have}; give it an architecture with {more} such PUs or "
        f"more, or with crossbar.planes of {-(-needed // max(1, units))} or more"
    )
