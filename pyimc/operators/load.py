"""Load: weights that are sent to the crossbars anew for every batch of images; LoadedMvm: the layer that has them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimc.operators.mvm import Mvm
from pyimc.operators.operator import Content, Operator
from pyimc.tensors import Map, Shape, TensorType


@dataclass(frozen=True, slots=True, eq=False)
class Load(Operator):
    """A source: the contents of a layer's planes, as the crossbars hold them.

    Attributes:
        image: uint8 [rows, columns], as `pyimc.crossbar.stored`: the rows of the planes, one plane after the other.
        turn: The tensors of weights that are in the same planes one after the other, its own output among them.
        windows: Of planes that their loads go through, one after the other.
        batch: Images that a load serves.
    """

    ports: ClassVar[tuple[int, ...]] = (0,)

    image: NDArray[np.uint8]
    turn: tuple[str, ...]
    windows: int = 1
    batch: int = 1

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """A pixel per row of the planes."""
        del sources
        rows, columns = self.image.shape
        return rows, 1, columns

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """The dtype."""
        del sources, target
        return [] if self.image.dtype == np.uint8 else ["image must be uint8"]

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """The same for every image."""
        del inputs
        return self.image.reshape(target.shape)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedMvm(Mvm):
    """A layer, or a part of one, whose weights come through its last input.

    What it computes is said by its own `weights`, not by what comes in: a stream that differs from them shows as a
    mismatch of values.

    Attributes:
        turn: As that of the `Load` which sends its weights.
        windows: Likewise.
        batch: Likewise.
    """

    ports: ClassVar[tuple[int, ...]] = (2, 3)

    turn: tuple[str, ...] = ()
    windows: int = 1
    batch: int = 1

    def takes(self, port: int) -> Content:
        """Weights through the last one."""
        return "weights" if port == len(self.inputs) - 1 else Mvm.takes(self, port)

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """As that of the layer with weights that stay."""
        return Mvm.run(self, inputs[:-1], target)

    def resident(self) -> Mvm:
        """The same layer with weights that stay."""
        values = {field.name: getattr(self, field.name) for field in fields(Mvm)}
        return Mvm(**{**values, "inputs": self.inputs[:-1]})
