"""How images pass through layers of which some wait for their weights: an estimate of the interval, layer by layer.

A layer starts on an image once its weights are there and the layers before it have started, and ends when it has
computed for its cycles, and not before those have ended and it has done the last row. The memory sends the loads in
the order in which the layers follow each other, each as soon as its window is free: when the layer that was in it
before is through the image, or the batch. Units that layers share are not looked at; what they take in all is a bound
of its own.
"""

from collections.abc import Mapping, Sequence

from mapping.actors.cost import node_cycles
from mapping.actors.firing import Grain
from mapping.operators import image_firings, task
from pyimc.arch import Arch
from pyimc.network import Network

ROUNDS = 6
"""Images, or batches, of which the second half is looked at."""


class Flow:
    """A network, its cycles, and who waits for whom."""

    def __init__(self, network: Network, arch: Arch, grain: Grain) -> None:
        producers = {node.output: node.name for node in network.nodes}
        self._before = {
            node.name: [producers[tensor] for tensor in node.inputs if tensor in producers] for node in network.nodes
        }
        self.cycles = {
            node.name: node_cycles(task(node, network, arch), arch, image_firings(network, node, arch, grain), 1)
            for node in network.nodes
        }
        self._rows = {node.name: network.target(node).height for node in network.nodes}
        self._memories = max(1, len(arch.places("memory")))

    def interval(
        self, turns: Sequence[Sequence[str]], loads: Mapping[str, int], windows: int, batch: int
    ) -> int:  # fmt: skip
        """Cycles between images.

        Args:
            turns: Layers that go through the same windows, in their order.
            loads: Cycles that the memory takes for the weights of each.
            windows: Of a turn.
            batch: Images that a load serves.
        """
        turn_of = {name: number for number, turn in enumerate(turns) for name in turn}
        free = [[0] * windows for _ in turns]  # when the loads before leave, the next one's window first
        memories = [0] * self._memories
        ended = dict.fromkeys(self._before, 0)
        last = []
        for _ in range(ROUNDS):
            started: dict[str, int] = {}
            for name, before in self._before.items():
                work = self.cycles[name]
                start = max((started[other] for other in before), default=0)
                start = max(start, ended[name])
                if name in loads:
                    memory = min(range(len(memories)), key=memories.__getitem__)
                    memories[memory] = max(memories[memory], free[turn_of[name]][0]) + loads[name]
                    start = max(start, memories[memory])
                end = max(start + batch * work, *(ended[other] + work // self._rows[name] for other in before), 0)
                started[name], ended[name] = start, end
                if name in loads:
                    free[turn_of[name]] = [*free[turn_of[name]][1:], end]
            last.append(max(ended.values()))
        half = ROUNDS // 2
        return (last[-1] - last[-1 - half]) // (half * batch)
