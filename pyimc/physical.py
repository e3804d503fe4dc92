"""The physical golden model: a network as the crossbars of a chip compute it, whose converters round and clip.

It is a network like any other, so `pyimc.golden` runs it. Only matrix products differ: they go row tile by row tile and
bit step by bit step through `pyimc.crossbar`, as in RTL, whose values they equal bit by bit.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from pyimc.arch import Crossbar
from pyimc.crossbar import converter_of, multiply
from pyimc.network import Mvm, Network, Node
from pyimc.operators.load import LoadedMvm
from pyimc.tensors import Map


@dataclass(frozen=True, slots=True, eq=False)
class PhysicalMvm(Mvm):
    """A layer on crossbars, with the weights that it holds itself.

    Attributes:
        crossbar: What computes it.
    """

    crossbar: Crossbar | None = None

    def accumulate(self, image: Map) -> NDArray[np.int32]:
        """As that of `Mvm`, through converters; int32 [height, width, Cout], modulo 2**32 as the drain of the RTL."""
        assert self.crossbar
        patches, matrix = self.patches(image), self.matrix()
        converter = converter_of(self.crossbar, len(matrix), self.adc_shift)
        products = multiply(patches.reshape(-1, len(matrix)), matrix, self.crossbar, converter)
        return (products + self.bias).astype(np.int32).reshape(*patches.shape[:2], -1)


def model_name(crossbar: Crossbar) -> str:
    """Of the model whose values those of these crossbars are."""
    return "physical golden" if crossbar.adc else "golden"


def physical(network: Network, crossbar: Crossbar) -> Network:
    """A network as these crossbars compute it; itself if their converters are ideal, which is fast."""
    if crossbar.adc is None:
        return network
    return replace(network, nodes=tuple(_on_crossbars(node, crossbar) for node in network.nodes))


def _on_crossbars(node: Node, crossbar: Crossbar) -> Node:
    if not isinstance(node, Mvm):
        return node
    resident = node.resident() if isinstance(node, LoadedMvm) else node
    return PhysicalMvm(**{field.name: getattr(resident, field.name) for field in fields(Mvm)}, crossbar=crossbar)
