"""Engine cycles of a node per image: the weights of the schedulers' graphs.

They are those of an actor that is never short of input, room or its engine: the interval between images that it could
sustain alone on its processing unit, from the timing formulas of the engines. A PU whose actors wait for input is busy
for a few cycles more, as each of their firings then fills an empty engine; the cycle model and the RTL say how many.
"""

from mapping.actors.firing import Firing, row_words, runs
from pyimc.arch import Arch
from pyimc.engines.task import Task
from pyimc.tensors import TensorType


def node_cycles(task: Task, arch: Arch, firings: tuple[Firing, ...], destinations: int) -> int:
    """Cycles that a node keeps its engine per image: computing, or sending to all destinations if that is longer."""
    sending = destinations * sum(packet_flits(firing.produce, arch) for firing in firings)
    return max(sending, task.image_cycles(arch, tuple(runs(firings))))


def engine_cycles(task: Task, arch: Arch, firings: tuple[Firing, ...]) -> tuple[int, int]:
    """The least that a node takes of an engine per image, whoever else uses it: of its front, and of its converter.

    `node_cycles` is for an actor alone. Where others fire in between, the start of a firing hides behind the
    conversions of the one before it, so that loads of several actors do not quite add up.
    """
    front = work = 0
    for firing, count in runs(firings):
        time = task.firing_time(arch, firing)
        front += count * (time.front + task.reissue_cycles)
        work += count * time.work
    return front, work


def row_flits(kind: TensorType, arch: Arch) -> int:
    """Flits of one row on its way to one destination: its words, and a head for every packet."""
    return packet_flits(row_words(kind, arch), arch)


def packet_flits(words: int, arch: Arch) -> int:
    """Flits of words that leave together: a head for every packet."""
    return words + -(-words // arch.packet_words)


def tensor_flits(kind: TensorType, arch: Arch) -> int:
    """Flits of one image's tensor on its way to one destination: cycles that it takes on a link."""
    return kind.height * row_flits(kind, arch)


def mean_hops(arch: Arch) -> int:
    """Hops between two different nodes of the mesh, on average over all pairs, rounded down."""
    columns, rows, nodes = arch.mesh.columns, arch.mesh.rows, arch.nodes
    pairs = columns * (columns**2 - 1) * rows**2 + rows * (rows**2 - 1) * columns**2  # 3 times the hops of all pairs
    return pairs // (3 * max(1, nodes * (nodes - 1)))
