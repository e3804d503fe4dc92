"""The links from the float model to the golden model: signal to quantisation noise, tensor by tensor and at outputs.

The float models run in onnxruntime, the integers in the golden model and in the host's tail, on the calibration images.
The ratio of a tensor is 10 log10(sum(x^2) / sum((x - q)^2)) in dB, x the float values and q what the integers mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mapping.importer.fidelity import IMAGES, Link
from mapping.importer.inputs import quantise_input
from mapping.importer.onnx_model import feed, session
from mapping.importer.parts import part_of
from mapping.importer.quantise import INTEGERS, Quantised
from mapping.importer.tail import Tail
from mapping.importer.walk import Imported
from pyimc import golden
from pyimc.network import Network

LARGEST_MACS = 4e9
"""Of all images together: two of ResNet-18, so that measuring takes no longer than quantising."""

NO_NOISE_DB = 200.0
"""Where integers and float values are the same to the last bit, or nearly."""

_EIGHT_BITS_DB = 50.0
Real = NDArray[np.float64]


@dataclass(slots=True)
class _Power:
    signal: float = 0.0
    noise: float = 0.0

    def add(self, real: Real, meant: Real) -> None:
        self.signal += float(np.square(real).sum())
        self.noise += float(np.square(real - meant).sum())

    def ratio_db(self) -> float:
        if self.noise <= self.signal * 10 ** (-NO_NOISE_DB / 10):
            return NO_NOISE_DB
        return 10 * float(np.log10(max(self.signal, np.finfo(float).tiny) / self.noise))


@dataclass(frozen=True, slots=True)
class LayerSignal:
    """One tensor of the network, named after the node that computes it or after the network's input.

    Attributes:
        node: That name.
        ratio_db: Signal to quantisation noise, all that came before it included.
        lost_db: By how much that is less than the worst of what the node reads, or than 50 dB if that is more:
            eight bits hold no more.
        clipped: Share of the float values that lie outside what the integers can stand for.
    """

    node: str
    ratio_db: float
    lost_db: float
    clipped: float


@dataclass(frozen=True, slots=True)
class OutputSignal:
    """One output of the user's model.

    Attributes:
        name: The user's name for it.
        ratio_db: Signal to quantisation noise; None if it holds no real values of one shape.
        changed: Images whose answer changed: the place of the largest value of a vector, or any whole number; None
            if the output is neither.
    """

    name: str
    ratio_db: float | None
    changed: int | None


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What is left of the given model in its integers.

    Attributes:
        images: How many were compared.
        links: Each step from the given model to the folded one.
        layers: Every tensor of the network that the model has, in order; empty for a model that was given as integers.
        outputs: Every output of the user's model; likewise.
    """

    images: int
    links: tuple[Link, ...]
    layers: tuple[LayerSignal, ...] = ()
    outputs: tuple[OutputSignal, ...] = ()


@dataclass(slots=True)
class _Output:
    power: _Power = field(default_factory=_Power)
    real: bool = True
    changed: int = 0
    answers: bool = True

    def add(self, wanted: NDArray[np.generic], got: NDArray[np.generic]) -> None:
        if wanted.dtype.kind == "f" and wanted.shape == got.shape and np.isfinite(wanted).all():
            self.power.add(wanted.astype(np.float64), got.astype(np.float64))
            vector = wanted.size > 1 and wanted.size == max(wanted.shape)
            self.answers &= vector
            self.changed += int(vector and wanted.argmax() != got.argmax())
        else:
            self.real = False
            self.answers &= wanted.dtype.kind != "f" and wanted.shape == got.shape
            self.changed += int(self.answers and not np.array_equal(wanted, got))


def fidelity(quantised: Quantised, imported: Imported, images: Sequence[NDArray[np.float32]]) -> Fidelity:
    """Compare the given model with the golden model of its integers.

    Args:
        quantised: The model, as given and as integers.
        imported: What the chip and the host compute of it.
        images: Calibration inputs, float32 (C, H, W) each, of which the first few are used.
    """
    network = imported.network
    images = images[: max(1, min(IMAGES, int(LARGEST_MACS // max(1, network.macs()))))]
    if quantised.float is None:
        return Fidelity(len(images), ())
    graph = quantised.float.model.graph
    known = {each.name for each in graph.input} | {name for node in graph.node for name in node.output}
    names = {tensor: part_of(tensor)[0].removesuffix(INTEGERS) for tensor in network.tensors}
    names = {tensor: name for tensor, name in names.items() if name in known}  # not what one operator has inside
    wanted = list(dict.fromkeys(names.values()))
    folded, tail = session(quantised.float.model, tuple(wanted)), Tail(imported.tail)
    powers = {tensor: _Power() for tensor in names}
    outside = dict.fromkeys(names, 0.0)
    outputs = {name: _Output() for name in tail.outputs}
    for image, real in zip(images, quantised.float.answers, strict=False):
        stored = quantise_input(network, image)
        integers = golden.run(network, stored)
        floats = dict(zip(wanted, folded.run(wanted, feed(quantised.float.model, image)), strict=True))
        for tensor in names:
            _add(network, tensor, floats[names[tensor]], integers[tensor], powers[tensor], outside)
        meant = tail.run([integers[name] for name in network.outputs], stored)
        for name, values in zip(tail.outputs, real, strict=False):
            outputs[name].add(values, meant[name])
    shares = {tensor: count / len(images) for tensor, count in outside.items()}
    found = [
        OutputSignal(name, each.power.ratio_db() if each.real else None, each.changed if each.answers else None)
        for name, each in outputs.items()
    ]
    ratios = {tensor: power.ratio_db() for tensor, power in powers.items()}
    return Fidelity(len(images), quantised.float.links, _layers(network, ratios, shares), tuple(found))


def _add(
    network: Network, tensor: str, real: NDArray[np.generic], integers: golden.Map, power: _Power,
    outside: dict[str, float],
) -> None:  # fmt: skip
    kind = network.tensors[tensor]
    channels = part_of(tensor)[1]
    values = real.reshape(-1, kind.height, kind.width)[channels].transpose(1, 2, 0).astype(np.float64)
    power.add(values, kind.scale * (integers.astype(np.float64) - kind.zero_point))
    steps = values / kind.scale + kind.zero_point
    outside[tensor] += float(np.mean((steps < -0.5) | (steps > 255.5)))


def _layers(network: Network, ratios: dict[str, float], clipped: dict[str, float]) -> tuple[LayerSignal, ...]:
    entry = network.input
    first = LayerSignal(entry.removesuffix(INTEGERS), ratios[entry], 0.0, clipped[entry])
    layers = []
    for node in network.nodes:
        before = min([_EIGHT_BITS_DB, *(ratios[name] for name in node.inputs)])
        if node.output in clipped:
            ratio = ratios[node.output]
            layers.append(LayerSignal(node.name, ratio, before - ratio, clipped[node.output]))
        else:
            ratios[node.output] = before  # the next node of the same operator loses it
    return (first, *layers)
