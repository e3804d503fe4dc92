"""DepthToSpace: y = x, every pixel's channels laid out as a block of pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyimc.operators.operator import Operator, changed_meaning
from pyimc.tensors import Map, Pair, Shape, TensorType


@dataclass(frozen=True, slots=True)
class DepthToSpace(Operator):
    """A larger map of fewer channels; scale and zero point stay.

    Attributes:
        block: Rows and columns that a pixel becomes. Its channels hold the pixels of the block row by row, as the mode
            DCR of ONNX has them.
    """

    block: Pair

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """The input's, each side times the block's, which the channels are divided by."""
        height, width, channels = sources[0].shape
        rows, columns = self.block
        return height * rows, width * columns, channels // (rows * columns)

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """It must grow, have the channels for it, and keep what values mean."""
        rows, columns = self.block
        if min(self.block) < 1 or rows * columns == 1:
            return [f"block {self.block} must be 2 pixels or more"]
        if sources[0].channels % (rows * columns):
            return [f"{sources[0].channels} channels are no {rows * columns} pixels"]
        return changed_meaning(sources[0], target)

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Block by block."""
        (image,), (rows, columns) = inputs, self.block
        height, width, _ = image.shape
        blocks = image.reshape(height, width, rows, columns, -1)
        return blocks.transpose(0, 2, 1, 3, 4).reshape(target.shape)
