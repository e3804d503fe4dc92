"""Train the mnist_depthwise network in plain numpy and write `weights.npz` beside this file.

Run once: `python -m mapping.models.mnist_depthwise.train DIGITS` (README.md says what DIGITS is). Everything is
seeded; the floating-point result may still differ in its last bits between machines, which is why the weights are kept.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapping.models.digits.train import Adam, Floats, Weights, conv, conv_gradient
from mapping.models.mnist.train import BATCH, SHIFT_PIXELS, TEST_IMAGES, load
from mapping.models.mnist_depthwise.topology import BLOCKS, CLASSES, STEM, Block

SEED = 2027
EPOCHS = 24
LEARNING_RATE = 4e-3


def initial_weights(rng: np.random.Generator) -> Weights:
    """He initialisation, in ONNX layouts: [Cout, Cin / groups, height, width] and [outputs, inputs]."""
    shapes: dict[str, tuple[int, int, int, int]] = {STEM.name: (STEM.channels_out, STEM.channels_in, 3, 3)}
    for block in BLOCKS:
        shapes[f"{block.name}.depthwise"] = (block.channels_in, 1, 3, 3)
        shapes[f"{block.name}.pointwise"] = (block.channels_out, block.channels_in, 1, 1)
    weights: Weights = {}
    for name, shape in shapes.items():
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        weights[f"{name}.weight"] = rng.normal(0, deviation, shape).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    last = BLOCKS[-1].channels_out
    weights["fc.weight"] = rng.normal(0, last**-0.5, (CLASSES, last)).astype(np.float32)
    weights["fc.bias"] = np.zeros(CLASSES, np.float32)
    return weights


def _taps(image: Floats, stride: int) -> list[Floats]:
    """The nine views [N, C, height, width] of a map padded by one pixel that a 3x3 kernel multiplies."""
    height, width = image.shape[2] - 2, image.shape[3] - 2
    return [image[:, :, y : y + height : stride, x : x + width : stride] for y in range(3) for x in range(3)]


def depthwise(weights: Weights, block: Block, images: Floats) -> Floats:
    """The block's depthwise convolution of [N, C, height, width]."""
    kernel = weights[f"{block.name}.depthwise.weight"].reshape(block.channels_in, 9)
    taps = _taps(np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1))), block.stride)
    result = sum(tap * kernel[:, index, None, None] for index, tap in enumerate(taps))
    return np.asarray(result + weights[f"{block.name}.depthwise.bias"][:, None, None], np.float32)


def depthwise_gradient(weights: Weights, gradients: Weights, block: Block, images: Floats, error: Floats) -> Floats:
    """Sets the gradients of the block's depthwise convolution; returns that of its input."""
    kernel = weights[f"{block.name}.depthwise.weight"].reshape(block.channels_in, 9)
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    back = np.zeros_like(padded)
    slopes = []
    for index, (tap, into) in enumerate(zip(_taps(padded, block.stride), _taps(back, block.stride), strict=True)):
        slopes.append((tap * error).sum(axis=(0, 2, 3)))
        into += error * kernel[:, index, None, None]
    gradients[f"{block.name}.depthwise.weight"] = np.stack(slopes, axis=1).reshape(block.channels_in, 1, 3, 3)
    gradients[f"{block.name}.depthwise.bias"] = error.sum(axis=(0, 2, 3))
    return back[:, :, 1:-1, 1:-1]


def pointwise(weights: Weights, block: Block, images: Floats) -> Floats:
    """The block's 1x1 convolution of [N, C, height, width]."""
    kernel = weights[f"{block.name}.pointwise.weight"][:, :, 0, 0]
    result = np.tensordot(images, kernel, axes=((1,), (1,))) + weights[f"{block.name}.pointwise.bias"]
    return np.asarray(result.transpose(0, 3, 1, 2), np.float32)


def pointwise_gradient(weights: Weights, gradients: Weights, block: Block, images: Floats, error: Floats) -> Floats:
    """Sets the gradients of the block's 1x1 convolution; returns that of its input."""
    kernel = weights[f"{block.name}.pointwise.weight"][:, :, 0, 0]
    slopes = np.tensordot(error, images, axes=((0, 2, 3), (0, 2, 3)))
    gradients[f"{block.name}.pointwise.weight"] = slopes[:, :, None, None]
    gradients[f"{block.name}.pointwise.bias"] = error.sum(axis=(0, 2, 3))
    return np.tensordot(error, kernel, axes=((1,), (0,))).transpose(0, 3, 1, 2)


def forward(weights: Weights, images: Floats) -> tuple[Floats, Floats, list[Floats]]:
    """Logits of images [N, 1, 28, 28], the patches of the first convolution, and the maps between all layers."""
    result, patches = conv(weights, STEM, images)
    maps = [np.maximum(result, 0)]
    for block in BLOCKS:
        maps.append(np.maximum(depthwise(weights, block, maps[-1]), 0))
        maps.append(np.maximum(pointwise(weights, block, maps[-1]), 0))
    return maps[-1].mean(axis=(2, 3)) @ weights["fc.weight"].T + weights["fc.bias"], patches, maps


def backward(weights: Weights, patches: Floats, maps: list[Floats], error: Floats) -> Weights:
    """Gradients of all weights from the gradient of the logits."""
    last = maps[-1]
    gradients: Weights = {"fc.weight": error.T @ last.mean(axis=(2, 3)), "fc.bias": error.sum(axis=0)}
    mean = (error @ weights["fc.weight"] / np.float32(last.shape[2] * last.shape[3]))[:, :, None, None]
    error = np.broadcast_to(mean, last.shape)
    for index, block in reversed(list(enumerate(BLOCKS))):
        source, inner, outer = maps[2 * index : 2 * index + 3]
        error = pointwise_gradient(weights, gradients, block, inner, error * (outer > 0))
        error = depthwise_gradient(weights, gradients, block, source, error * (inner > 0))
    conv_gradient(weights, gradients, STEM, patches, error * (maps[0] > 0))
    return gradients


def train(images: Floats, labels: NDArray[np.int64]) -> Weights:
    """Adam on the cross-entropy, images shifted by up to two pixels, the learning rate falling to zero."""
    rng = np.random.default_rng(SEED)
    weights = initial_weights(rng)
    adam, batches = Adam(weights), len(images) // BATCH
    for step in range(EPOCHS * batches):
        if step % batches == 0:
            order = rng.permutation(len(images))
        pick = order[step % batches * BATCH :][:BATCH]
        offset = rng.integers(-SHIFT_PIXELS, SHIFT_PIXELS + 1, 2)
        logits, patches, maps = forward(weights, np.roll(images[pick], offset, axis=(2, 3)))
        likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
        likelihood /= likelihood.sum(axis=1, keepdims=True)
        error = (likelihood - np.eye(CLASSES, dtype=np.float32)[labels[pick]]) / BATCH
        adam.step(weights, backward(weights, patches, maps, error), LEARNING_RATE * (1 - step / (EPOCHS * batches)))
    return weights


def main() -> None:
    """Train, report the accuracy on the held-out images, and write the weights."""
    pixels, labels = load(Path(sys.argv[1]))
    images = (pixels[:, np.newaxis] / np.float32(255)).astype(np.float32)
    weights = train(images[TEST_IMAGES:], labels[TEST_IMAGES:])
    logits, _, _ = forward(weights, images[:TEST_IMAGES])
    print(f"held-out accuracy {np.mean(logits.argmax(axis=1) == labels[:TEST_IMAGES]):.4f} of {TEST_IMAGES} images")
    np.savez_compressed(Path(__file__).parent / "weights.npz", **weights)  # type: ignore[arg-type]  # names are no options


if __name__ == "__main__":
    main()
