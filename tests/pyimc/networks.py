# SPDX-License-Identifier: Apache-2.0
"""A small hand-written network with every kind of node, for tests that need no ONNX."""

import numpy as np

from pyimc.network import Add, Concat, Crop, DepthToSpace, Lut, Mvm, Network, Pool, Resize, TensorType
from pyimc.numerics import quantise_multipliers


def residual_network(seed: int = 1) -> Network:
    """Every kind of node on a 5x4x3 map: a residual block with a classifier, and moves of its sum."""
    rng = np.random.default_rng(seed)

    def mvm(
        name: str, source: str, target: str, shape: tuple[int, int, int, int], pad: int, zeros: tuple[int, int]
    ) -> Mvm:
        weights = rng.integers(-127, 128, shape, np.int8).reshape(shape[0], shape[1], -1)
        return Mvm(
            name=name, inputs=(source,), output=target, kernel=(shape[1], shape[2]), stride=(1, 1),
            pads=(pad, pad, pad, pad), weights=weights, bias=rng.integers(-2000, 2000, shape[0], np.int32),
            multiplier=rng.integers(2**30, 2**31, shape[0]).astype(np.int32),
            shift=np.full(shape[0], 40, np.uint8), input_zero_point=zeros[0], output_zero_point=zeros[1],
            clamp=(zeros[1], 255),
        )  # fmt: skip

    (unit,), unit_shift = quantise_multipliers([1.0])
    average, average_shift = quantise_multipliers([0, 0, 1 / 2, 0, 1 / 4])
    nodes = (
        mvm("conv", "image", "conv_out", (3, 3, 3, 3), 1, (7, 10)),
        Add("add", ("conv_out", "image"), "sum", (2**30, 2**29), 31, (10, 7), 20, (20, 255)),
        Pool("max", ("sum",), "peak", "max", (2, 1), (2, 1), (0, 0, 1, 0),
             np.array([0, unit, 0], np.int32), unit_shift, 20, 20, (0, 255)),
        Pool("mean", ("peak",), "mean_out", "average", (2, 2), (2, 2), (0, 0, 1, 0),
             np.array(average, np.int32), average_shift, 20, 3, (0, 200)),
        mvm("fc", "mean_out", "logits", (5, 2, 2, 3), 0, (3, 128)),
        Lut("curve", ("sum",), "curved", rng.integers(0, 256, 256, np.uint8)),
        Concat("stack", ("curved", "conv_out"), "stacked", "channels", (2**30, 2**28), 29, (90, 10), 30, (5, 240)),
        Concat("extend", ("image", "sum"), "extended", "columns", (2**29, 2**30), 30, (7, 20), 0, (0, 255)),
        Resize("enlarge", ("stacked",), "large", 2),
        DepthToSpace("spread", ("large",), "spread_out", (2, 1)),
        Crop("crop", ("stacked",), "cropped", (1, 0), (2, 3), (2, 2)),
    )  # fmt: skip
    tensors = {
        "image": TensorType(5, 4, 3, 0.5, 7),
        "conv_out": TensorType(5, 4, 3, 0.1, 10),
        "sum": TensorType(5, 4, 3, 0.2, 20),
        "peak": TensorType(3, 4, 3, 0.2, 20),
        "mean_out": TensorType(2, 2, 3, 0.2, 3),
        "logits": TensorType(1, 1, 5, 0.3, 128),
        "curved": TensorType(5, 4, 3, 0.2, 90),
        "stacked": TensorType(5, 4, 6, 0.1, 30),
        "extended": TensorType(5, 8, 3, 0.2, 0),
        "large": TensorType(10, 8, 6, 0.1, 30),
        "spread_out": TensorType(20, 8, 3, 0.1, 30),
        "cropped": TensorType(2, 2, 6, 0.1, 30),
    }
    return Network(
        "residual", "image", ("logits", "extended", "large", "spread_out", "cropped"), tensors, nodes, ("Softmax",)
    )


def random_image(network: Network, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Random uint8 pixels for a network's input."""
    return np.random.default_rng(seed).integers(0, 256, network.tensors[network.input].shape, np.uint8)
