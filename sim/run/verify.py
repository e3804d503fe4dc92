"""The verdict: every word that left an engine in RTL against the golden model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapping.actors.firing import row_words
from pyimc.golden import Map
from pyimc.measurement import Measurement
from pyimc.network import Network
from pyimc.physical import model_name
from pyimc.program import Program


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first wrong value of an actor."""

    node: str
    pu: int
    image: int
    row: int
    column: int
    channel: int
    got: int
    expected: int
    cycle: int
    model: str = "golden"

    def __str__(self) -> str:
        return (
            f"node {self.node}, image {self.image}, pixel ({self.row}, {self.column}), channel {self.channel}: "
            f"RTL {self.got}, {self.model} {self.expected}, left PU {self.pu} in cycle {self.cycle}"
        )


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """One actor's output over all images; `mismatches` counts missing values too."""

    values_compared: int
    mismatches: int
    first: Mismatch | None


def node_verdict(
    program: Program, name: str, goldens: list[dict[str, Map]], records: NDArray[np.uint32]
) -> NodeVerdict:
    """Compares what one actor sent with the golden model.

    An actor that no image reaches runs ahead of them; what it has sent for further ones is compared, too.

    Args:
        program: The Program that ran.
        name: The actor.
        goldens: Per image, golden values by tensor.
        records: Captured words of the actor, uint32 [words, 2 + word_bits / 32]: cycle, context, data.
    """
    arch, network = program.arch, program.network
    tensor = next(node.output for node in network.nodes if node.name == name)
    kind = network.tensors[tensor]
    words = row_words(kind, arch)
    batch = program.served(program.actor(name))
    maps = np.stack([golden[tensor] for golden in goldens[::batch]])
    required = maps.size
    if tensor not in _of_images(network):
        ahead = -(-len(records) // (words * kind.height)) - len(maps)
        maps = np.concatenate([maps, *[maps[-1:]] * ahead])
    expected = maps.reshape(-1, kind.width * kind.channels)
    rows = min(len(records) // words, len(expected))
    values = words * arch.lanes // maps.itemsize
    data = np.ascontiguousarray(records[: rows * words, 2:]).view(maps.dtype).reshape(rows, values)
    wrong = data[:, : expected.shape[1]] != expected[:rows]
    missing = max(0, required - wrong.size) + (0 if len(records) <= len(expected) * words else len(records))
    first = None
    if wrong.any():
        row, value = (int(index[0]) for index in np.nonzero(wrong))
        first = Mismatch(
            node=name, pu=program.actor(name).node, image=row // kind.height, row=row % kind.height,
            column=value // kind.channels, channel=value % kind.channels, got=int(data[row, value]),
            expected=int(expected[row, value]),
            cycle=int(records[row * words + value * data.itemsize // arch.lanes, 0]),
            model=model_name(arch.crossbar),
        )  # fmt: skip
    return NodeVerdict(values_compared=int(wrong.size), mismatches=int(wrong.sum()) + missing, first=first)


def _of_images(network: Network) -> set[str]:
    """Tensors that depend on the network's input."""
    found = {network.input}
    for node in network.nodes:
        if not found.isdisjoint(node.inputs):
            found.add(node.output)
    return found


def verdicts(
    program: Program, goldens: list[dict[str, Map]], folder: Path, begin_cycle: int = 0
) -> dict[str, NodeVerdict]:
    """Every actor's verdict, from the capture files of a run; cycles count from `begin_cycle` on."""
    found = {}
    width = 2 + program.arch.word_bits // 32
    captures = {
        node: np.fromfile(folder / f"capture_{node:02d}.bin", np.uint32).reshape(-1, width) for node in program.pus
    }
    for records in captures.values():
        records[:, 0] -= begin_cycle
    for actor in program.actors:
        records = captures[actor.node]
        found[actor.name] = node_verdict(program, actor.name, goldens, records[records[:, 1] == actor.context])
    return found


def outputs(network: Network, program: Program, folder: Path, images: int) -> list[Map]:
    """The network outputs that reached the host, uint8 [images, height, width, channels] each, complete images only."""
    found = []
    for index, name in enumerate(network.outputs):
        kind = network.tensors[name]
        size = row_words(kind, program.arch) * program.arch.lanes
        raw = np.fromfile(folder / f"output_{index}.bin", np.uint8)
        whole = min(images, len(raw) // (size * kind.height))
        rows = raw[: whole * kind.height * size].reshape(whole, kind.height, size)
        found.append(rows[:, :, : kind.row_bytes].reshape(whole, kind.height, kind.width, kind.channels))
    return found


def _refusal(program: Program, status: dict[str, int | str]) -> str:
    """What is wrong with the weights that a layer has been sent."""
    actor = program.actor(str(status["actor"]))
    sender = program.actor(program.channel(actor.inputs[-1]).producer)
    port = len(actor.inputs) - 1
    fill, need = int(status[f"fill_{port}"]), int(status[f"need_{port}"])
    came = f"{fill} of {need} words came" if fill < need else f"the {need} words that came have another checksum"
    return f"{actor.name} (PU {actor.node}) refuses its weights from {sender.name} (PU {sender.node}): {came}"


def refusals(program: Program, measured: Measurement) -> str:
    """Layers that were sent other weights than theirs, on one line; empty if there is none."""
    return "; ".join(_refusal(program, status) for status in measured.waiting if status.get("refused"))


def deadlock_reason(program: Program, measured: Measurement) -> str:
    """One line that says which actor waits for what."""
    if not any("active" in status for status in measured.waiting):
        return "no PU answers the host port any more"
    reasons = []
    for status in measured.waiting:
        actor = program.actor(str(status["actor"]))
        place = f"{actor.name} (PU {actor.node})"
        if "active" not in status:
            reasons.append(f"{place} does not answer")
        elif status["active"] and status["room_wait"]:
            consumers = ", ".join(program.channel(name).consumer for name in actor.destinations)
            reasons.append(f"{place} waits for room at {consumers}")
        elif status["active"] and status["fetched"] and not status["ready"]:
            for port, name in enumerate(actor.inputs):
                fill, need = int(status[f"fill_{port}"]), int(status[f"need_{port}"])
                if fill < need:
                    reasons.append(f"{place} has {fill} of {need} words from {program.channel(name).producer}")
    return "; ".join(reasons) or "no actor waits for another: some PU is busy without end"
