"""`make study`: what splitting, pipelining and buffers bring, on the cycle model; written into docs/results.md.

split     one layer over P processing units: speed-up as a share of P, linear and cyclic, and what its
          synchronisation costs in flits (the layers that Pelke et al., arXiv 2309.03805, take theirs from)
dataflow  rows that flow from layer to layer against layer by layer, with whole layers and with cut ones
buffers   latency and interval against the words of all rings, at grains from a pixel to a row
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyimc.cycle.model import CycleResult
from pyimc.network import Mvm, Network, TensorType

PLOTS = Path(__file__).resolve().parents[1] / "docs" / "plots"
IMAGES = 12


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution by its shape: the values of its weights do not change its cycles."""

    name: str
    size: int
    channels: int
    outputs: int
    kernel: int

    def network(self) -> Network:
        """A network of this layer alone, with seeded weights."""
        rng = np.random.default_rng(0)
        shape = (self.outputs, self.kernel, self.kernel, self.channels)
        layer = Mvm(
            name="layer", inputs=("x",), output="y", kernel=(self.kernel, self.kernel), stride=(1, 1),
            pads=(self.kernel // 2,) * 4, weights=rng.integers(-127, 128, shape, np.int8),
            bias=np.zeros(self.outputs, np.int32), multiplier=np.full(self.outputs, 1 << 30, np.int32),
            shift=np.full(self.outputs, 42, np.uint8), input_zero_point=0, output_zero_point=128, clamp=(0, 255),
        )  # fmt: skip
        tensors = {
            "x": TensorType(self.size, self.size, self.channels, 1.0, 0),
            "y": TensorType(self.size, self.size, self.outputs, 1.0, 128),
        }
        return Network(self.name, "x", ("y",), tensors, (layer,))


LAYERS = (
    Layer("ResNet-18 layer1", 56, 64, 64, 3),
    Layer("ResNet-18 layer2", 28, 128, 128, 3),
    Layer("ResNet-18 layer3", 14, 256, 256, 3),
    Layer("MobileNet 14x14 pointwise", 14, 512, 512, 1),
    Layer("MobileNet 7x7 pointwise", 7, 1024, 1024, 1),
)


def span(result: CycleResult) -> int:
    """Cycles of the run of one image."""
    return result.last_cycles[0] - result.first_cycles[0] + 1


def interval(result: CycleResult) -> float:
    """Cycles between images while the chip is full."""
    return (result.last_cycles[-2] - result.last_cycles[1]) / (len(result.last_cycles) - 3)
