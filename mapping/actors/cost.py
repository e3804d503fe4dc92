"""Engine cycles of a node per image: the weights of the schedulers' graphs.

They are those of an actor that is never short of input, room or its engine: the interval between images that it could
sustain alone on its processing unit, from the timing formulas of the engines. A PU whose actors wait for input is busy
for a few cycles more, as each of their firings then fills an empty engine; the cycle model and the RTL say how many.
"""

from functools import lru_cache
from typing import NamedTuple

from mapping.actors.firing import Firing, row_words, runs
from mapping.code.vector import VectorNode, task
from pyimc.arch import Arch
from pyimc.network import Mvm, Network, Node, TensorType, part_of
from pyimc.timing_dpu import Timeline, timeline
from pyimc.timing_imc import Engine, Layer, Pipeline, Run, convert_cycles, engine_of

SETTLED = 4
"""Firings that fill the pipeline; then equal ones follow each other at a constant distance."""


def node_cycles(network: Network, node: Node, arch: Arch, firings: tuple[Firing, ...], destinations: int) -> int:
    """Cycles that a node keeps its engine per image: computing, or sending to all destinations if that is longer."""
    sending = destinations * sum(packet_flits(firing.produce, arch) for firing in firings)
    if isinstance(node, Mvm):
        return max(sending, _mvm_cycles(_layer(network, node), engine_of(arch), reissue_cycles(node), firings))
    fronts = ((_vector_timeline(network, node, arch, firing).slots, count) for firing, count in runs(firings))
    return max(sending, sum(count * (slots + reissue_cycles(node)) for slots, count in fronts))


def row_flits(kind: TensorType, arch: Arch) -> int:
    """Flits of one row on its way to one destination: its words, and a head for every packet."""
    return packet_flits(row_words(kind, arch), arch)


def packet_flits(words: int, arch: Arch) -> int:
    """Flits of words that leave together: a head for every packet."""
    return words + -(-words // arch.packet_words)


class FiringTime(NamedTuple):
    """What one firing takes on an empty engine.

    Attributes:
        front: From its issue to its `done`.
        span: From its issue to its last word.
        work: Between its last word and that of the firing before, at least.
    """

    front: int
    span: int
    work: int


def firing_time(network: Network, node: Node, arch: Arch, firing: Firing) -> FiringTime:
    """Cycles of a firing when nothing holds it up."""
    if isinstance(node, Mvm):
        layer, engine = _layer(network, node), engine_of(arch)
        fired = Pipeline(engine).fire(layer, _run(firing))
        return FiringTime(fired.done, fired.words[-1], len(fired.takes) * convert_cycles(engine, layer.channels))
    vector = _vector_timeline(network, node, arch, firing)
    return FiringTime(vector.slots, vector.words[-1], vector.slots)


def engine_cycles(network: Network, node: Node, arch: Arch, firings: tuple[Firing, ...]) -> tuple[int, int]:
    """The least that a node takes of an engine per image, whoever else uses it: of its front, and of its converter.

    `node_cycles` is for an actor alone. Where others fire in between, the start of a firing hides behind the
    conversions of the one before it, so that loads of several actors do not quite add up.
    """
    front = work = 0
    for firing, count in runs(firings):
        time = firing_time(network, node, arch, firing)
        front += count * (time.front + reissue_cycles(node))
        work += count * time.work
    return front, work


def reissue_cycles(node: Node) -> int:
    """From the `done` of a firing to the next issue: the sequencer first offers a credit for every input read."""
    return 2 if isinstance(node, Mvm) else 1 + len(node.inputs)


def _vector_timeline(network: Network, node: VectorNode, arch: Arch, firing: Firing) -> Timeline:
    walk = task(network, node, arch).walk
    return timeline(walk, arch.lanes, pixels=firing.pixels, x0=firing.x0, rows=firing.rows)


def _layer(network: Network, node: Mvm) -> Layer:
    source, part = network.tensors[node.inputs[0]], part_of(network, node)
    return Layer(
        run_bytes=part.run[1] - part.run[0],
        step_bytes=node.stride[1] * source.channels,
        row_bytes=source.row_bytes,
        kernel_rows=part.rows[1] - part.rows[0],
        channels=node.weights.shape[0],
        partial_in=len(node.inputs) == 2,
        partial_out=network.tensors[node.output].partial,
    )


def _run(firing: Firing) -> Run:
    return Run(firing.pixels, firing.x0, firing.top, firing.rows)


def tensor_flits(kind: TensorType, arch: Arch) -> int:
    """Flits of one image's tensor on its way to one destination: cycles that it takes on a link."""
    return kind.height * row_flits(kind, arch)


def mean_hops(arch: Arch) -> int:
    """Hops between two different nodes of the mesh, on average over all pairs, rounded down."""
    columns, rows, nodes = arch.mesh.columns, arch.mesh.rows, arch.nodes
    pairs = columns * (columns**2 - 1) * rows**2 + rows * (rows**2 - 1) * columns**2  # 3 times the hops of all pairs
    return pairs // (3 * max(1, nodes * (nodes - 1)))


@lru_cache(maxsize=4096)  # equal layers are common, and a search asks for the same ones again and again
def _mvm_cycles(layer: Layer, engine: Engine, reissue: int, firings: tuple[Firing, ...]) -> int:
    """From the first firing of an image to that of the next, once the pipeline is full."""
    pipeline = Pipeline(engine)
    request = 0

    def fire(firing: Firing) -> int:
        nonlocal request
        timeline = pipeline.fire(layer, _run(firing), request)
        request = timeline.done + reissue
        return timeline.issue

    def image() -> tuple[int, int]:
        """The issue of its first firing, and the cycles of those left out for being equal to those before."""
        issues: list[int] = []
        skipped = 0
        for firing, count in runs(firings):
            issues += [fire(firing) for _ in range(min(count, SETTLED))]
            skipped += (issues[-1] - issues[-2]) * (count - SETTLED) if count > SETTLED else 0
        return issues[0], skipped

    for _ in range(1 + SETTLED // len(firings)):
        image()
    start, skipped = image()
    return fire(firings[0]) - start + skipped
