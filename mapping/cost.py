"""Engine cycles of a node per image: the weights of the schedulers' graphs.

They are those of an actor that is never short of input, room or its engine: the interval between images that it could
sustain alone on its processing unit, from the timing formulas of the engines. A PU whose actors wait for input is busy
for a few cycles more, as each of their firings then fills an empty engine; the cycle model and the RTL say how many.
"""

from mapping.firing import Firing, row_words, runs
from pyimc.arch import Arch
from pyimc.network import Add, Mvm, Network, Node, Pool, TensorType
from pyimc.timing_dpu import add_timeline, pool_timeline
from pyimc.timing_imc import Layer, Pipeline, Run, engine_of

SETTLED = 4
"""Firings that fill the pipeline; then equal ones follow each other at a constant distance."""


def node_cycles(network: Network, node: Node, arch: Arch, firings: tuple[Firing, ...], destinations: int) -> int:
    """Cycles that a node keeps its engine per image: computing, or sending to all destinations if that is longer."""
    kind = network.tensors[node.output]
    sending = destinations * tensor_flits(kind, arch)
    source = network.tensors[node.inputs[0]]
    if isinstance(node, Mvm):
        return max(sending, _mvm_cycles(node, source, arch, firings))
    reissue = _reissue_cycles(node)
    return max(sending, sum(count * (_slots(node, source, arch, firing) + reissue) for firing, count in runs(firings)))


def row_flits(kind: TensorType, arch: Arch) -> int:
    """Flits of one row on its way to one destination: its words, and a head for every packet."""
    words = row_words(kind, arch)
    return words + -(-words // arch.packet_words)


def _reissue_cycles(node: Node) -> int:
    """From the `done` of a firing to the next issue: the sequencer first offers a credit for every input."""
    return 1 + len(node.inputs)


def _slots(node: Add | Pool, source: TensorType, arch: Arch, firing: Firing) -> int:
    """From the issue of a firing of the vector engine to its `done`."""
    if isinstance(node, Add):
        return add_timeline(firing.produce).slots
    return pool_timeline(
        lanes=arch.lanes,
        channels=source.channels,
        row_bytes=source.row_bytes,
        kernel_columns=node.kernel[1],
        x0=firing.x0,
        step=node.stride[1] * source.channels,
        pixels=firing.pixels,
        rows=firing.rows,
    ).slots


def tensor_flits(kind: TensorType, arch: Arch) -> int:
    """Flits of one image's tensor on its way to one destination: cycles that it takes on a link."""
    return kind.height * row_flits(kind, arch)


def mean_hops(arch: Arch) -> int:
    """Hops between two different nodes of the mesh, on average over all pairs, rounded down."""
    columns, rows, nodes = arch.mesh.columns, arch.mesh.rows, arch.nodes
    pairs = columns * (columns**2 - 1) * rows**2 + rows * (rows**2 - 1) * columns**2  # 3 times the hops of all pairs
    return pairs // (3 * max(1, nodes * (nodes - 1)))


def _mvm_cycles(node: Mvm, source: TensorType, arch: Arch, firings: tuple[Firing, ...]) -> int:
    """From the first firing of an image to that of the next, once the pipeline is full."""
    layer = Layer(
        run_bytes=node.kernel[1] * source.channels,
        step_bytes=node.stride[1] * source.channels,
        row_bytes=source.row_bytes,
        kernel_rows=node.kernel[0],
        channels=node.weights.shape[0],
    )
    pipeline = Pipeline(engine_of(arch))
    request = 0

    def fire(firing: Firing) -> int:
        nonlocal request
        timeline = pipeline.fire(layer, Run(firing.pixels, firing.x0, firing.top, firing.rows), request)
        request = timeline.done + _reissue_cycles(node)
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
