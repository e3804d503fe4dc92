"""Train the mnist network in plain numpy and write `weights.npz` and `test_set.npz` beside this file.

Run once: `python -m mapping.models.mnist.train DIGITS` (README.md says what DIGITS is). Everything is seeded; the
floating-point result may still differ in its last bits between machines, which is why the weights are kept.
"""

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapping.models.digits.train import Adam, Floats, Weights, conv, conv_gradient
from mapping.models.mnist.topology import CLASSES, CONVS, FLAT, IMAGE_SIZE

SEED = 2026
TEST_IMAGES = 500
EPOCHS = 12
BATCH = 64
LEARNING_RATE = 2e-3
SHIFT_PIXELS = 2


def initial_weights(rng: np.random.Generator) -> Weights:
    """He initialisation, in ONNX layouts: [Cout, Cin, 3, 3] and [outputs, inputs]."""
    weights: Weights = {}
    for layer in CONVS:
        shape = (layer.channels_out, layer.channels_in, 3, 3)
        weights[f"{layer.name}.weight"] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        weights[f"{layer.name}.bias"] = np.zeros(layer.channels_out, np.float32)
    weights["fc.weight"] = rng.normal(0, FLAT**-0.5, (CLASSES, FLAT)).astype(np.float32)
    weights["fc.bias"] = np.zeros(CLASSES, np.float32)
    return weights


def forward(weights: Weights, images: Floats) -> tuple[Floats, list[tuple[Floats, Floats]]]:
    """Logits of images [N, 1, 28, 28], and the patches and the result of every convolution."""
    kept = []
    value = images
    for layer in CONVS:
        result, patches = conv(weights, layer, value)
        value = np.maximum(result, 0)
        kept.append((patches, value))
    return value.reshape(len(images), -1) @ weights["fc.weight"].T + weights["fc.bias"], kept


def backward(weights: Weights, kept: list[tuple[Floats, Floats]], error: Floats) -> Weights:
    """Gradients of all weights from the gradient of the logits."""
    last = kept[-1][1]
    gradients: Weights = {"fc.weight": error.T @ last.reshape(len(error), -1), "fc.bias": error.sum(axis=0)}
    error = (error @ weights["fc.weight"]).reshape(last.shape)
    for layer, (patches, value) in zip(reversed(CONVS), reversed(kept), strict=True):
        error = conv_gradient(weights, gradients, layer, patches, error * (value > 0))
    return gradients


def train(images: Floats, labels: NDArray[np.int64]) -> Weights:
    """Adam on the cross-entropy, images shifted by up to two pixels, the learning rate falling to zero."""
    rng = np.random.default_rng(SEED)
    weights = initial_weights(rng)
    adam, steps = Adam(weights), EPOCHS * (len(images) // BATCH)
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


def load(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels [N, 28, 28] and classes, shuffled; a file a class, its values from 0 to 1."""
    pixels, labels = [], []
    for digit in range(CLASSES):
        values = np.array(json.loads((folder / f"{digit}.json").read_text())["data"])
        pixels.append(np.rint(values.reshape(-1, IMAGE_SIZE, IMAGE_SIZE) * 255).astype(np.uint8))
        labels.append(np.full(len(pixels[-1]), digit, np.int64))
    order = np.random.default_rng(SEED).permutation(sum(map(len, labels)))
    return np.concatenate(pixels)[order], np.concatenate(labels)[order]


def main() -> None:
    """Train, report the accuracy on the held-out images, and write both files."""
    pixels, labels = load(Path(sys.argv[1]))
    images = (pixels[:, np.newaxis] / np.float32(255)).astype(np.float32)
    weights = train(images[TEST_IMAGES:], labels[TEST_IMAGES:])
    logits, _ = forward(weights, images[:TEST_IMAGES])
    print(f"held-out accuracy {np.mean(logits.argmax(axis=1) == labels[:TEST_IMAGES]):.4f} of {TEST_IMAGES} images")
    folder = Path(__file__).parent
    np.savez_compressed(folder / "weights.npz", **weights)  # type: ignore[arg-type]  # names are no options
    np.savez_compressed(
        folder / "test_set.npz", images=pixels[:TEST_IMAGES], labels=labels[:TEST_IMAGES].astype(np.uint8)
    )


if __name__ == "__main__":
    main()
