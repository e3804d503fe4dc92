"""Which weights of a Program stay, which travel, and through which windows: for result.json, terminal and report."""

from __future__ import annotations

from dataclasses import dataclass

from pyimc.operators.load import LoadedMvm
from pyimc.program import Program


@dataclass(frozen=True, slots=True)
class Residency:
    """Of a Program some of whose weights travel.

    Attributes:
        layers: That travel, or parts of layers.
        words_per_image: Words of weights that the memories send, over the images of a batch, rounded up.
        loads_per_batch: Loads that bring them.
        batch: Images that a load serves.
        windows: Of planes, of all units.
        window_planes: Planes in them.
        resident_planes: Planes of the layers that stay, of all units.
        planes: Of all units.
    """

    layers: tuple[str, ...]
    words_per_image: int
    loads_per_batch: int
    batch: int
    windows: int
    window_planes: int
    resident_planes: int
    planes: int

    def __str__(self) -> str:
        served = f"{self.batch} images" if self.batch > 1 else "image"
        return (
            f"weights: {self.resident_planes} of {self.planes} planes have those that stay, {self.windows} windows "
            f"with {self.window_planes} planes the others: {self.loads_per_batch} loads for every {served}, "
            f"{self.words_per_image} words an image"
        )


def residency(program: Program) -> Residency | None:
    """What travels; None if all weights stay."""
    network, arch = program.network, program.arch
    layers = {node.name: node for node in network.nodes if isinstance(node, LoadedMvm)}
    if not layers:
        return None
    words = sum(arch.words(network.tensors[node.inputs[-1]].row_bytes * network.tensors[node.inputs[-1]].height)
                for node in layers.values())  # fmt: skip
    first = {(node.turn, node.windows): program.actor(node.name) for node in layers.values()}  # of each turn, any
    held = {
        (actor.node, plane)
        for actor in program.actors
        if actor.kind == "imc" and actor.name not in layers
        for plane in range(actor.plane, actor.plane + actor.planes)
    }
    return Residency(
        layers=tuple(layers),
        words_per_image=-(-words // program.batch),
        loads_per_batch=len(layers),
        batch=program.batch,
        windows=sum(windows for _, windows in first),
        window_planes=sum(actor.planes for actor in first.values()),
        resident_planes=len(held),
        planes=len(arch.imcs) * arch.crossbar.planes,
    )
