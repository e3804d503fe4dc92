"""Cycle-exact Python model of rtl/router.v and rtl/mesh.v: the rules in the header of router.v, written once more.

Usage, once per clock edge: read `ready()` and `outputs()`, which are what the RTL shows before the edge, then call
`step` with what the neighbours show before the same edge.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pyimc.routing import LOCAL, OPPOSITE, neighbour, output_port

PORTS = 5

Flit = tuple[int, int]
"""(data, last)."""


class RouterModel:
    """One router.

    Args:
        fifo_depth: flits per input.
        mesh_x: nodes in a row.
        mesh_y: rows.
        node: where this router is.
    """

    def __init__(self, fifo_depth: int, mesh_x: int, mesh_y: int, node: int) -> None:
        self.fifo_depth = fifo_depth
        self.mesh_x = mesh_x
        self.nodes = mesh_x * mesh_y
        self.node = node
        self.fifos: list[deque[tuple[Flit, int]]] = [deque() for _ in range(PORTS)]  # flit and its output
        self.arriving: list[int | None] = [None] * PORTS  # output of the packet that is arriving at each input
        self.locked = [False] * PORTS
        self.owner = [PORTS - 1] * PORTS

    def busy(self) -> bool:
        """A flit is stored here."""
        return any(self.fifos)

    def ready(self) -> list[bool]:
        """s_ready of each input."""
        return [len(fifo) < self.fifo_depth for fifo in self.fifos]

    def requests(self, output: int) -> list[int]:
        """Inputs whose oldest flit belongs to a packet for `output`."""
        return [i for i in range(PORTS) if self.fifos[i] and self.fifos[i][0][1] == output]

    def selected(self, output: int) -> int | None:
        """The input that shows its flit at `output`, None when the output is not valid."""
        requests = self.requests(output)
        if self.locked[output]:
            return self.owner[output] if self.owner[output] in requests else None
        order = [(self.owner[output] + k) % PORTS for k in range(1, PORTS + 1)]
        return next((i for i in order if i in requests), None)

    def outputs(self) -> list[Flit | None]:
        """The flit at each output, None where m_valid is 0."""
        chosen = [self.selected(o) for o in range(PORTS)]
        return [None if i is None else self.fifos[i][0][0] for i in chosen]

    def step(self, inputs: Sequence[Flit | None], readys: Sequence[bool]) -> None:
        """One clock edge.

        Args:
            inputs: flit that each neighbour shows, None where s_valid is 0.
            readys: m_ready of each output.
        """
        accepts = self.ready()
        chosen = [self.selected(o) for o in range(PORTS)]
        for output, source in enumerate(chosen):
            if source is not None:
                last = self.fifos[source][0][0][1]
                self.owner[output] = source
                self.locked[output] = not (readys[output] and last)
                if readys[output]:
                    self.fifos[source].popleft()
        for port, flit in enumerate(inputs):
            if flit is not None and accepts[port]:
                self._push(port, flit)

    def _push(self, port: int, flit: Flit) -> None:
        data, last = flit
        output = self.arriving[port]
        if output is None:
            destination = data & 0xFF
            output = output_port(self.mesh_x, self.node, destination) if destination < self.nodes else LOCAL
        self.arriving[port] = None if last else output
        self.fifos[port].append((flit, output))


class MeshModel:
    """A mesh of routers; lanes are nodes. Arguments as of rtl/mesh.v."""

    def __init__(self, fifo_depth: int, mesh_x: int, mesh_y: int) -> None:
        self.mesh_x = mesh_x
        self.mesh_y = mesh_y
        self.routers = [RouterModel(fifo_depth, mesh_x, mesh_y, node) for node in range(mesh_x * mesh_y)]

    def busy(self) -> bool:
        """A flit is stored somewhere."""
        return any(router.busy() for router in self.routers)

    def ready(self) -> list[bool]:
        """s_ready of each node."""
        return [router.ready()[LOCAL] for router in self.routers]

    def outputs(self) -> list[Flit | None]:
        """The flit at each node, None where m_valid is 0."""
        return [router.outputs()[LOCAL] for router in self.routers]

    def step(self, inputs: Sequence[Flit | None], readys: Sequence[bool]) -> None:
        """One clock edge; the arguments are per node, as for `RouterModel.step`."""
        shown = [router.outputs() for router in self.routers]
        accepts = [router.ready() for router in self.routers]
        for node, router in enumerate(self.routers):
            links: list[Flit | None] = [inputs[node], *[None] * (PORTS - 1)]
            free = [readys[node], *[False] * (PORTS - 1)]
            for port in range(1, PORTS):
                if self._inside(node, port):
                    other = neighbour(self.mesh_x, node, port)
                    links[port] = shown[other][OPPOSITE[port]]
                    free[port] = accepts[other][OPPOSITE[port]]
            router.step(links, free)

    def _inside(self, node: int, port: int) -> bool:
        y, x = divmod(node, self.mesh_x)
        return (y > 0, x < self.mesh_x - 1, y < self.mesh_y - 1, x > 0)[port - 1]
