"""Maps: what travels between the nodes of a network."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Pair = tuple[int, int]
Shape = tuple[int, int, int]

Map = NDArray[Any]
"""uint8 [height, width, channels]; int32 if the tensor is partial."""

PARTIAL_BYTES = 4


@dataclass(frozen=True, slots=True)
class TensorType:
    """A uint8 map: real value = scale * (stored value - zero_point); or int32 accumulators, a partial map."""

    height: int
    width: int
    channels: int
    scale: float
    zero_point: int
    partial: bool = False

    @property
    def shape(self) -> Shape:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel: one per channel, or four, the lowest first."""
        return self.channels * (PARTIAL_BYTES if self.partial else 1)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, whose pixels follow each other without a gap."""
        return self.width * self.pixel_bytes
