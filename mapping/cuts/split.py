"""Cuts layers into parts that several processing units compute: a rewriting of the network.

A layer can be cut in three ways, which combine:

    copies      replication: every copy holds all weights and computes its share of the columns of each output row; the
                shares, equal ones or any, are joined in order. Within rows, not in blocks of rows: consumers need rows
                in order, so copies that took blocks of rows would work one after the other.
    vertical    the rows of the weight matrix: each part multiplies its share of the kernel and passes the sums that it
                has so far on to the next (Pelke et al., arXiv 2309.03805); the last one requantises. Parts are equal
                rectangles of the kernel: its rows are divided first, then the bytes of a kernel row.
    horizontal  the columns of the weight matrix: each part computes its share of the output channels, which are joined.

The order of the vertical parts is `linear`: every output passes the parts first to last; or `cyclic`: the copies start
at different parts, so that all parts are at work from the first output on and each ends some of the outputs. Copies of
the same weights that are placed on the same processing unit share their planes.

A pooling that alone reads a layer in copies is cut with them (`cuts/pooled.py`). Other tensors of the network stay what
they were; the new ones are checked against the golden model like all others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import accumulate, pairwise
from math import gcd
from typing import Literal

import numpy as np

from mapping.cuts.pooled import Span, pooled
from pyimc.errors import ConfigError
from pyimc.network import Concat, Mvm, Network, Node, Part, Pool, TensorType
from pyimc.numerics import UINT8_MAX

IDENTITY = (1 << 30, 30)
"""Multiplier and shift that leave a value as it is."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Into how many parts a layer is cut, each way.

    Attributes:
        columns: Output columns of every copy, where the shares are to differ; `copies` is left at 1.
    """

    copies: int = 1
    vertical: int = 1
    horizontal: int = 1
    order: Literal["linear", "cyclic"] = "linear"
    columns: tuple[int, ...] = ()


def read_cuts(text: str) -> dict[str, Cut]:
    """Reads "conv1:columns=69+43;layer1.0.conv1:copies=2;layer4.0.conv1:vertical=3,order=cyclic".

    Raises:
        ConfigError: It is not of that form.
    """
    cuts = {}
    for item in filter(None, text.split(";")):
        name, _, given = item.rpartition(":")  # a layer's name may have colons, what follows has none
        try:
            cuts[name] = Cut(**dict(_read_way(way) for way in given.split(",")))  # type: ignore[arg-type]
        except ValueError:
            raise ConfigError(
                f"option split: '{item}' must be NODE:copies=N,columns=N+N,vertical=N,horizontal=N,order=linear|cyclic "
                "(any of these); nodes are separated by ';'"
            ) from None
    return cuts


def _read_way(text: str) -> tuple[str, int | str | tuple[int, ...]]:
    """One field of a Cut with its value; ValueError if it is none."""
    key, _, value = text.partition("=")
    if key == "order" and value in ("linear", "cyclic"):
        return key, value
    numbers = tuple(int(number) for number in value.split("+"))
    if min(numbers) < 1 or key not in ("copies", "columns", "vertical", "horizontal"):
        raise ValueError(text)
    if key == "columns":
        return key, numbers
    (number,) = numbers
    return key, number


def write_cuts(cuts: Mapping[str, Cut]) -> str:
    """What `read_cuts` reads; empty if there are none."""
    default = Cut()
    given = {
        name: [
            f"{key.name}={'+'.join(map(str, value)) if isinstance(value, tuple) else value}"
            for key in fields(Cut)
            for value in [getattr(cut, key.name)]
            if value != getattr(default, key.name)
        ]
        for name, cut in cuts.items()
    }
    return ";".join(f"{name}:{','.join(values)}" for name, values in given.items() if values)


def split_network(network: Network, cuts: Mapping[str, Cut]) -> Network:
    """The network with some of its layers cut into parts.

    Args:
        network: A verified network.
        cuts: By node.

    Raises:
        ConfigError: A node that does not exist or is no whole layer, or a cut that does not divide it.
    """
    if not cuts:
        return network
    layers = whole_layers(network)
    unknown = [name for name in cuts if name not in layers]
    if unknown:
        raise ConfigError(f"option split: {network.name} has no layer {', '.join(unknown)}; it has "
                          f"{', '.join(sorted(layers))}")  # fmt: skip
    tensors = dict(network.tensors)
    nodes: list[Node] = []
    done: set[str] = set()
    for node in network.nodes:
        if isinstance(node, Mvm) and node.name in cuts:
            cutter = _Cutter(network, node, cuts[node.name], tensors)
            nodes += cutter.parts()
            if cutter.pooled:
                done.add(cutter.pooled.pool.name)
                del tensors[node.output]
        elif node.name not in done:
            nodes.append(node)
    return replace(network, tensors=tensors, nodes=tuple(nodes))


def whole_layers(network: Network) -> dict[str, Mvm]:
    """The layers that can be cut: those that are no parts themselves, by name."""
    layers = (node for node in network.nodes if type(node) is Mvm and not node.part and len(node.inputs) == 1)
    return {node.name: node for node in layers if not network.tensors[node.output].partial}


def shares(size: int, count: int) -> list[Span]:
    """`size` cut into `count` ranges (first, end) that differ by one at most, the longer ones first."""
    edges = [-(-size * index // count) for index in range(count + 1)]
    return list(pairwise(edges))


def divides(parts: int, rows: int, run: int) -> bool:
    """Whether rows of so many elements can be cut into equal rectangles, rows before elements."""
    return run % (parts // gcd(parts, rows)) == 0


def _check(node: Mvm, way: str, parts: int, size: str, rows: int, run: int = 1) -> None:
    if divides(parts, rows, run):
        return
    counts = [count for count in range(1, rows * run + 1) if divides(count, rows, run)]
    near = [max(count for count in counts if count < parts), *[count for count in counts if count > parts][:1]]
    others = " or ".join(map(str, near))
    raise ConfigError(f"option split: {node.name} has {size}, which {parts} {way} parts do not divide; {others} do")


def _node_name(node: Node, tensor: str) -> str:
    """Of what computes a part of a node's output."""
    return node.name + tensor.removeprefix(node.output)


class _Cutter:
    """Cuts one layer; adds the types of the new tensors to `tensors`."""

    def __init__(self, network: Network, node: Mvm, cut: Cut, tensors: dict[str, TensorType]) -> None:
        self.node = node
        self.tensors = tensors
        self.target = network.tensors[node.output]
        whole = node.extent(network.sources(node)[0])
        rows, run, channels = whole.rows[1], whole.run[1], node.bias.size
        copies = max(cut.copies, cut.vertical) if cut.order == "cyclic" and cut.copies == 1 else cut.copies
        if copies > self.target.width:
            raise ConfigError(
                f"option split: {node.name} has rows of {self.target.width} pixels, too few for {copies} copies"
            )
        if cut.columns and (cut.copies > 1 or sum(cut.columns) != self.target.width):
            raise ConfigError(
                f"option split: {node.name} has rows of {self.target.width} pixels, its columns are "
                f"{'+'.join(map(str, cut.columns))}" + (f" and its copies {cut.copies}" if cut.copies > 1 else "")
            )
        down = gcd(cut.vertical, rows)
        across = cut.vertical // down
        _check(node, "vertical", cut.vertical, f"{rows} kernel rows of {run} bytes", rows, run)
        _check(node, "horizontal", cut.horizontal, f"{channels} output channels", channels)
        self.kernel = [(y, x) for y in shares(rows, down) for x in shares(run, across)]
        edges = pairwise(accumulate(cut.columns, initial=0))
        self.columns = list(edges) if cut.columns else shares(self.target.width, copies)
        self.pooled = pooled(network, node, [end for _, end in self.columns]) if cut.horizontal == 1 else None
        if self.pooled:
            self.columns = list(self.pooled.columns)
        self.channels = shares(channels, cut.horizontal)
        self.cyclic = cut.order == "cyclic"

    def parts(self) -> Iterator[Node]:
        """All parts and joins, in topological order: a step of all chains before the next one.

        Actors nearer to the output go first on their unit, so that chains that share units drain evenly.
        """
        joined = []
        for index, channels in enumerate(self.channels):
            output = self._name("h", index, len(self.channels))
            pieces = [self._name("c", copy, len(self.columns), output) for copy in range(len(self.columns))]
            chains = [
                self._chain(piece, copy, channels, columns)
                for copy, (piece, columns) in enumerate(zip(pieces, self.columns, strict=True))
            ]
            yield from (part for step in zip(*chains, strict=True) for part in step)
            if self.pooled:
                pools = list(self.pooled.parts(pieces, self.tensors))
                yield from pools
                yield from self._join(self.pooled.pool, self.pooled.pool.output, [pool.output for pool in pools])
                return
            yield from self._join(self.node, output, pieces)
            joined.append(output)
        yield from self._join(self.node, self.node.output, joined, "channels")

    def _name(self, kind: str, index: int, count: int, base: str | None = None) -> str:
        base = base or self.node.output
        return f"{base}/{kind}{index}" if count > 1 else base

    def _chain(self, output: str, copy: int, channels: Span, columns: Span) -> Iterator[Node]:
        """The vertical parts of one share of channels and columns."""
        first, end = channels
        count = len(self.kernel)
        order = [(step + copy * self.cyclic) % count for step in range(count)]
        sums: tuple[str, ...] = ()
        for step, index in enumerate(order):
            last = step == count - 1
            y, x = self.kernel[index]
            tensor = output if last else f"{output}/v{step}"
            height, width = self.target.height, columns[1] - columns[0]
            if last:
                self.tensors[tensor] = replace(self.target, width=width, channels=end - first)
            else:
                self.tensors[tensor] = TensorType(height, width, end - first, 1.0, 0, partial=True)
            multiplier, shift = self.node.multiplier[first:end], self.node.shift[first:end]
            bias = self.node.bias[first:end]
            yield replace(
                self.node,
                name=_node_name(self.node, tensor if not last or count == 1 else f"{output}/v{step}"),
                inputs=(*self.node.inputs, *sums),
                output=tensor,
                weights=np.ascontiguousarray(self.node.weights[first:end, y[0] : y[1], x[0] : x[1]]),
                bias=bias if step == 0 else np.zeros_like(bias),
                multiplier=multiplier if last else np.zeros_like(multiplier),
                shift=shift if last else np.ones_like(shift),
                output_zero_point=self.node.output_zero_point if last else 0,
                clamp=self.node.clamp if last else (0, UINT8_MAX),
                part=Part(y, x, columns),
                groups=1,
            )
            sums = (tensor,)

    def _join(
        self, node: Mvm | Pool, output: str, pieces: list[str], axis: Literal["columns", "channels"] = "columns"
    ) -> Iterator[Node]:
        """A balanced tree of Concats, for a node in pieces."""
        if len(pieces) == 1:
            return
        level = 0
        while len(pieces) > 1:
            following = []
            for index in range(0, len(pieces) - 1, 2):
                pair = (pieces[index], pieces[index + 1])
                last = len(pieces) == 2
                joined = output if last else f"{output}/j{level}.{index // 2}"
                left, right = (self.tensors[name] for name in pair)
                size = {axis_size: getattr(left, axis_size) for axis_size in ("width", "channels")}
                grown = "width" if axis == "columns" else "channels"
                size[grown] += getattr(right, grown)
                self.tensors[joined] = replace(left, **size)
                zero = left.zero_point
                yield Concat(
                    name=_node_name(node, joined) + ("/join" if last else ""), inputs=pair, output=joined, axis=axis,
                    multipliers=(IDENTITY[0], IDENTITY[0]), shift=IDENTITY[1], input_zero_points=(zero, zero),
                    output_zero_point=zero, clamp=(0, UINT8_MAX),
                )  # fmt: skip
                following.append(joined)
            pieces = following + pieces[len(pieces) - len(pieces) % 2 :]
            level += 1
