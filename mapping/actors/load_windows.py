"""The independent check of the planes that weights come into, from the tables of a Program alone."""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, islice
from typing import NamedTuple

from pyimc import isa
from pyimc.program import Actor, Program

LOADS_FOLLOWED = 64
"""Of a layer, whose windows are compared; they repeat themselves after as many as there are windows."""


class _Window(NamedTuple):
    """Planes of a unit that one load is written to."""

    unit: int
    first: int
    end: int


def plane_faults(program: Program, claims: Mapping[str, int]) -> list[str]:
    """Windows of weights that travel, as the tables say: inside the unit, apart from all that is else in planes.

    A portion of room has a window: the load that takes it comes where the load was that gave it back. So two loads are
    in the same planes only one after the other.

    Args:
        program: Its tables and channels.
        claims: Words of room that the firings of each actor take in all.
    """
    faults = []
    named = {channel.name: channel for channel in program.channels}
    actors = {actor.name: actor for actor in program.actors}
    rings = [channel for channel in program.channels if channel.memory == "plane"]
    portions = {ring.name: ring.first_room // claims[ring.producer] for ring in rings}  # room for loads at the start
    loads = {ring.name: _loads(program, actors[ring.consumer]) for ring in rings}
    held: list[tuple[str, _Window]] = [
        (actor.name, _Window(actor.node, actor.plane, actor.plane + actor.planes))
        for actor in program.actors
        if actor.kind == "imc" and not any(ring.consumer == actor.name for ring in rings)
    ]
    for ring in rings:
        held += [(ring.name, window) for window in islice(loads[ring.name](), portions[ring.name])]
        heir = named.get(ring.heir, ring)
        given = islice(loads[ring.name](), LOADS_FOLLOWED)
        taken = islice(loads[heir.name](), portions[heir.name], None)
        for before, after in zip(given, taken, strict=False):
            if (before.unit, before.first) != (after.unit, after.first):
                faults.append(
                    f"channel {heir.name} comes to plane {after.first} of node {after.unit}, the room that it takes is "
                    f"at plane {before.first} of node {before.unit}"
                )
                break
    for (name, window), (other, its) in combinations(held, 2):
        resident = name in actors and other in actors
        if not resident and window.unit == its.unit and window.first < its.end and its.first < window.end:
            faults.append(f"{name} and {other} overlap on node {window.unit}")
    for name, window in held:
        if window.end > program.arch.crossbar.planes:
            faults.append(
                f"{name} ends at plane {window.end} of node {window.unit}, which has {program.arch.crossbar.planes}"
            )
    return faults


def _loads(program: Program, actor: Actor) -> Callable[[], Iterator[_Window]]:
    """The windows of a layer's loads, one after the other; as large as the largest that comes into them."""
    tables = {(space, number): value for space, number, value in program.pus[actor.node].tables}
    plane, loads = (
        layout.decode(tables.get((isa.SPACES["ENGINE"], isa.engine_entry(actor.context, layout)), 0))
        for layout in (isa.TILES, isa.LOADS)
    )

    def windows() -> Iterator[_Window]:
        at, planes = loads["first"], -(-loads["words"] // (program.arch.plane_words // program.arch.crossbar.planes))
        while True:
            yield _Window(actor.node, plane["plane"] + at, plane["plane"] + at + planes)
            at += loads["step"]
            at -= loads["span"] if at >= loads["span"] else 0

    return windows
