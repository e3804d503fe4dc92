"""Load on the memory, all its words in one firing; LoadedMvm on the crossbar engine.

A layer needs all of its weights for each of its firings, and gives them back with the last one of an image. The loads
of a turn go through its windows, so the room is then that of the load which comes so many later, and a Load claims as
many words as the load leaves that was in its window before.
"""

from dataclasses import replace

from mapping.actors.firing import Firing, Pixels, row_words, waiting
from mapping.operators.contract import firings, repetition, task
from mapping.operators.rows import held
from pyimc.arch import Arch
from pyimc.engines.imc.task import CrossbarTask, WeightRing
from pyimc.engines.memory.task import StreamTask
from pyimc.network import Network
from pyimc.operators.load import Load, LoadedMvm


@firings.register
def _(node: Load, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    del grain
    before = node.turn[(node.turn.index(node.output) - node.windows) % len(node.turn)]
    sent, claims = (_words(network, tensor, arch) for tensor in (node.output, before))
    return (Firing(need=(), free=(), produce=sent, offset=0, pixels=1, x0=0, top=0, rows=0, claimed=claims),)


@task.register
def _(node: Load, network: Network, arch: Arch) -> StreamTask:
    del network, arch
    return StreamTask(node.image)


@repetition.register
def _(node: Load, network: Network) -> int:
    del node, network
    return 1


@firings.register
def _(node: LoadedMvm, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    words = _words(network, node.inputs[-1], arch)
    found = firings(node.resident(), network, arch, grain)
    if grain == "map":
        found = waiting(found, network.sources(node)[0], arch)
    return held(found, words)


@task.register
def _(node: LoadedMvm, network: Network, arch: Arch) -> CrossbarTask:
    resident = task(node.resident(), network, arch)
    assert isinstance(resident, CrossbarTask)
    heights = [network.tensors[tensor].height for tensor in node.turn]
    ring = WeightRing(
        turn=node.turn,
        place=node.turn.index(node.inputs[-1]),
        planes=-(-max(heights) // arch.crossbar.rows),
        windows=node.windows,
        rows=network.tensors[node.inputs[-1]].height,
    )
    return replace(resident, ring=ring)


def _words(network: Network, tensor: str, arch: Arch) -> int:
    kind = network.tensors[tensor]
    return kind.height * row_words(kind, arch)
