"""The physical golden model: a network as the crossbars of a chip compute it, with real cells and converters.

It is a network like any other, so `pyimc.golden` runs it. Only matrix products differ: they go row tile by row tile and
bit step by bit step, as in RTL, whose values they equal bit by bit: sums of what cells hold (`pyimc.devices.layer`)
through converters (`pyimc.conversion`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimc import golden
from pyimc.arch import Crossbar
from pyimc.conversion import Noise, add_read, order
from pyimc.crossbar import bit_slices, converter_of, largest_level, of_pairs, offset, reads, signed_cells
from pyimc.devices.layer import Held, dropped_sums, held
from pyimc.network import Mvm, Network, Node
from pyimc.operators.load import LoadedMvm
from pyimc.tensors import Map


@dataclass(frozen=True, slots=True, eq=False)
class PhysicalMvm(Mvm):
    """A layer on crossbars, with the weights that it holds itself.

    Attributes:
        crossbar: What computes it.
        unit: Its number in the network, which its noise depends on.
        image: The number of the image, which its noise depends on, too.
        held: What its cells hold; None if they are ideal.
    """

    crossbar: Crossbar | None = None
    unit: int = 0
    image: int = 0
    held: Held | None = None

    def accumulate(self, image: Map) -> NDArray[np.int32]:
        """As that of `Mvm`, through converters; int32 [height, width, Cout], modulo 2**32 as the drain of the RTL."""
        crossbar = self.crossbar
        assert crossbar
        patches, matrix = self.patches(image), self.matrix()
        vectors = patches.reshape(-1, len(matrix))
        converter = converter_of(crossbar, len(matrix), self.adc_shift)
        assert converter
        total = np.zeros((len(vectors), matrix.shape[1]), np.int64)
        for row, some, sums in self._reads(vectors, matrix):
            when = order(len(matrix), matrix.shape[1], row, crossbar)
            noise = self._noise(len(vectors) * when.pixel)
            add_read(total[some], sums, converter, crossbar, noise, when, some.start)
        products = total - offset(vectors, crossbar)
        return (products + self.bias).astype(np.int32).reshape(*patches.shape[:2], -1)

    def _reads(self, vectors: NDArray[np.uint8], matrix: NDArray[np.int8]) -> Iterator[tuple[int, slice, NDArray[Any]]]:
        assert self.crossbar
        if self.held is None:
            return reads(vectors, signed_cells(matrix, self.crossbar), self.crossbar)
        if self.crossbar.real and self.crossbar.real.drop == "input" and self.crossbar.real.segment_ohm:
            return _dropped_reads(vectors, self.held, self.crossbar)
        return reads(vectors, of_pairs(self.held.cells.astype(np.int32), self.crossbar), self.crossbar)

    def _noise(self, conversions: int) -> Noise | None:
        assert self.crossbar
        if self.held is None or not self.held.amplitude:
            return None
        assert self.crossbar.real
        return Noise(self.crossbar.real.seed, self.unit, self.held.amplitude, self.image * conversions)


def _dropped_reads(
    x: NDArray[np.uint8], layer: Held, crossbar: Crossbar
) -> Iterator[tuple[int, slice, NDArray[np.float64]]]:
    """As `pyimc.crossbar.reads`, with the drop along the bit lines for the very input."""
    device, height = crossbar.real, len(layer.cells)
    assert device
    for start in range(0, height, crossbar.rows):
        tile = slice(start, start + crossbar.rows)
        steps = bit_slices(x[:, tile], 1)
        held_cells = layer.cells[tile].reshape(steps.shape[2], -1)
        for first in range(0, steps.shape[2], crossbar.driven):
            driven = np.zeros_like(steps)
            driven[:, :, first : first + crossbar.driven] = steps[:, :, first : first + crossbar.driven]
            for vector in range(len(x)):
                sums = dropped_sums(driven[:, vector], held_cells, device, largest_level(crossbar))
                found = of_pairs(sums.reshape(len(steps), 1, *layer.cells.shape[1:]), crossbar)
                yield start + first, slice(vector, vector + 1), found.astype(np.float64)


def model_name(crossbar: Crossbar) -> str:
    """Of the model whose values those of these crossbars are."""
    return "golden" if crossbar.exact else "physical golden"


def physical(network: Network, crossbar: Crossbar) -> Network:
    """A network as these crossbars compute its first image; itself if they are exact, which is fast."""
    if crossbar.exact:
        return network
    nodes = tuple(_on_crossbars(node, unit, crossbar) for unit, node in enumerate(network.nodes))
    return replace(network, nodes=nodes)


def run_all(network: Network, crossbar: Crossbar, images: Iterable[Map]) -> Iterator[dict[str, Map]]:
    """As `golden.run_all`, of the physical model: every image with noise of its own."""
    computed = physical(network, crossbar)
    if not (crossbar.real and crossbar.real.noisy):
        return golden.run_all(computed, images)
    return golden.run_each((_with_noise(computed, number), image) for number, image in enumerate(images))


def _with_noise(network: Network, image: int) -> Network:
    nodes = (replace(node, image=image) if isinstance(node, PhysicalMvm) else node for node in network.nodes)
    return replace(network, nodes=tuple(nodes))


def _on_crossbars(node: Node, unit: int, crossbar: Crossbar) -> Node:
    if not isinstance(node, Mvm):
        return node
    resident = node.resident() if isinstance(node, LoadedMvm) else node
    values = {field.name: getattr(resident, field.name) for field in fields(Mvm)}
    real = held(resident.matrix(), crossbar) if crossbar.real else None
    return PhysicalMvm(**values, crossbar=crossbar, unit=unit, held=real)
