"""Train the digits network in plain numpy and write `weights.npz` and `test_set.npz` beside this file.

Run once, with scikit-learn installed for the images: `python -m mapping.models.digits.train`. Everything is
seeded; the floating-point result may still differ in its last bits between machines, which is why the weights
are kept.
"""

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mapping.models.digits.topology import CLASSES, CONVS, DOWN, FLAT, POOL, RESIDUAL, STEM, ConvLayer

SEED = 2024
TEST_IMAGES = 360
EPOCHS = 40
BATCH = 32
LEARNING_RATE = 2e-3
SHIFT_PIXELS = 1

Floats = NDArray[np.float32]
Weights = dict[str, Floats]


def initial_weights(rng: np.random.Generator) -> Weights:
    """He initialisation, in ONNX layouts: [Cout, Cin, 3, 3] and [outputs, inputs]."""
    weights: Weights = {}
    for layer in CONVS:
        shape = (layer.channels_out, layer.channels_in, 3, 3)
        deviation = np.sqrt(2 / (9 * layer.channels_in))
        weights[f"{layer.name}.weight"] = rng.normal(0, deviation, shape).astype(np.float32)
        weights[f"{layer.name}.bias"] = np.zeros(layer.channels_out, np.float32)
    weights["fc.weight"] = rng.normal(0, FLAT**-0.5, (CLASSES, FLAT)).astype(np.float32)
    weights["fc.bias"] = np.zeros(CLASSES, np.float32)
    return weights


def _patches(images: Floats, stride: int) -> Floats:
    """All 3x3 windows of a map padded by one pixel: [N, height, width, C, 3, 3]."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.transpose(0, 2, 3, 1, 4, 5)


def conv(weights: Weights, layer: ConvLayer, images: Floats) -> tuple[Floats, Floats]:
    """Result and the patches it came from."""
    patches = _patches(images, layer.stride)
    result = np.tensordot(patches, weights[f"{layer.name}.weight"], axes=((3, 4, 5), (1, 2, 3)))
    result += weights[f"{layer.name}.bias"]
    return result.transpose(0, 3, 1, 2), patches


def conv_gradient(weights: Weights, gradients: Weights, layer: ConvLayer, patches: Floats, error: Floats) -> Floats:
    """Accumulate the weights' gradients; return the gradient of the layer's input."""
    error = error.transpose(0, 2, 3, 1)
    gradients[f"{layer.name}.weight"] = np.tensordot(error, patches, axes=((0, 1, 2), (0, 1, 2)))
    gradients[f"{layer.name}.bias"] = error.sum(axis=(0, 1, 2))
    back = np.tensordot(error, weights[f"{layer.name}.weight"], axes=((3,), (0,)))  # N, h, w, C, 3, 3
    count, height, width, channels = back.shape[:4]
    step = layer.stride
    result = np.zeros((count, channels, height * step + 2, width * step + 2), np.float32)
    for row in range(3):
        for column in range(3):
            rows = slice(row, row + height * step, step)
            columns = slice(column, column + width * step, step)
            result[:, :, rows, columns] += back[:, :, :, :, row, column].transpose(0, 3, 1, 2)
    return result[:, :, 1:-1, 1:-1]


def forward(weights: Weights, images: Floats) -> tuple[Floats, dict[str, Floats]]:
    """Logits of images [N, 1, 8, 8], and what the backward pass needs."""
    kept: dict[str, Floats] = {}
    stem, kept["conv1"] = conv(weights, STEM, images)
    kept["relu1"] = np.maximum(stem, 0)
    down, kept["conv2"] = conv(weights, DOWN, kept["relu1"])
    kept["relu2"] = np.maximum(down, 0)
    inner, kept["conv3"] = conv(weights, RESIDUAL[0], kept["relu2"])
    kept["relu3"] = np.maximum(inner, 0)
    outer, kept["conv4"] = conv(weights, RESIDUAL[1], kept["relu3"])
    kept["relu4"] = np.maximum(outer + kept["relu2"], 0)
    count, channels, height, width = kept["relu4"].shape
    blocks = kept["relu4"].reshape(count, channels, height // POOL, POOL, width // POOL, POOL)
    pooled = blocks.max(axis=(3, 5))
    kept["flat"] = pooled.reshape(count, -1)
    return kept["flat"] @ weights["fc.weight"].T + weights["fc.bias"], kept


def backward(weights: Weights, kept: dict[str, Floats], error: Floats) -> Weights:
    """Gradients of all weights from the gradient of the logits."""
    gradients: Weights = {"fc.weight": error.T @ kept["flat"], "fc.bias": error.sum(axis=0)}
    count, channels, height, width = kept["relu4"].shape
    blocks = kept["relu4"].reshape(count, channels, height // POOL, POOL, width // POOL, POOL)
    pooled = (error @ weights["fc.weight"]).reshape(count, channels, height // POOL, 1, width // POOL, 1)
    largest = blocks == blocks.max(axis=(3, 5), keepdims=True)
    spread = largest / largest.sum(axis=(3, 5), keepdims=True) * pooled
    error = spread.reshape(kept["relu4"].shape).astype(np.float32) * (kept["relu4"] > 0)
    inner = conv_gradient(weights, gradients, RESIDUAL[1], kept["conv4"], error) * (kept["relu3"] > 0)
    error = error + conv_gradient(weights, gradients, RESIDUAL[0], kept["conv3"], inner)
    error = error * (kept["relu2"] > 0)
    error = conv_gradient(weights, gradients, DOWN, kept["conv2"], error) * (kept["relu1"] > 0)
    conv_gradient(weights, gradients, STEM, kept["conv1"], error)
    return gradients


class Adam:
    """The optimiser of Kingma and Ba (arXiv 1412.6980), with their constants."""

    def __init__(self, weights: Weights) -> None:
        self.first = {name: np.zeros_like(values) for name, values in weights.items()}
        self.second = {name: np.zeros_like(values) for name, values in weights.items()}
        self.steps = 0

    def step(self, weights: Weights, gradients: Weights, rate: float) -> None:
        """Changes the weights."""
        self.steps += 1
        correction = np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        for name, gradient in gradients.items():
            self.first[name] = 0.9 * self.first[name] + 0.1 * gradient
            self.second[name] = 0.999 * self.second[name] + 0.001 * gradient**2
            change = rate * correction * self.first[name] / (np.sqrt(self.second[name]) + 1e-8)
            weights[name] = np.asarray(weights[name] - change, np.float32)


def train(images: Floats, labels: NDArray[np.int64]) -> Weights:
    """Adam on the cross-entropy, images shifted by up to a pixel, the learning rate falling to zero."""
    rng = np.random.default_rng(SEED)
    weights = initial_weights(rng)
    adam = Adam(weights)
    steps = EPOCHS * (len(images) // BATCH)
    for step in range(steps):
        if step % (len(images) // BATCH) == 0:
            order = rng.permutation(len(images))
        pick = order[step % (len(images) // BATCH) * BATCH :][:BATCH]
        offset = rng.integers(-SHIFT_PIXELS, SHIFT_PIXELS + 1, 2)
        logits, kept = forward(weights, np.roll(images[pick], offset, axis=(2, 3)))
        likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
        likelihood /= likelihood.sum(axis=1, keepdims=True)
        error = (likelihood - np.eye(CLASSES, dtype=np.float32)[labels[pick]]) / BATCH
        adam.step(weights, backward(weights, kept, error), LEARNING_RATE * (1 - step / steps))
    return weights


def main() -> None:
    """Train, report the accuracy on the held-out images, and write both files."""
    from sklearn.datasets import load_digits  # needed only here, so not a dependency of the project

    data = load_digits()
    order = np.random.default_rng(SEED).permutation(len(data.target))
    pixels = data.images[order].astype(np.uint8)
    labels = data.target[order].astype(np.int64)
    images = (pixels[:, np.newaxis] / np.float32(16)).astype(np.float32)
    weights = train(images[TEST_IMAGES:], labels[TEST_IMAGES:])
    logits, _ = forward(weights, images[:TEST_IMAGES])
    print(f"held-out accuracy {np.mean(logits.argmax(axis=1) == labels[:TEST_IMAGES]):.4f} of {TEST_IMAGES} images")
    folder = Path(__file__).parent
    np.savez_compressed(folder / "weights.npz", **weights)  # type: ignore[arg-type]  # the stub cannot tell names from options
    np.savez_compressed(
        folder / "test_set.npz", images=pixels[:TEST_IMAGES], labels=labels[:TEST_IMAGES].astype(np.uint8)
    )


if __name__ == "__main__":
    main()
