"""Layers whose weights do not stay in the crossbars: their weights become a tensor, which a node `Load` sends.

So the rule for activations holds for weights: they travel when there is room, and the room is given back when the last
firing of an image that needs them is over.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import NamedTuple

from pyimc.arch import Arch
from pyimc.engines.imc.tiling import plane_images, tiles
from pyimc.errors import CapacityError, ConfigError
from pyimc.network import Mvm, Network, Node
from pyimc.operators.load import Load, LoadedMvm
from pyimc.tensors import Pair, TensorType

OPTION, BATCH = "reload", "batch"
BATCHES = (1, 2, 4, 8, 16, 32)
WORDS_MAX = 2**16 - 1
"""What a channel can address of a unit's planes, and count."""


def travelling_words(shape: Pair, arch: Arch) -> int:
    """Words of a matrix of so many rows and columns as it travels: its planes, without the spare rows of the last."""
    windows = tiles(shape, arch.crossbar)
    rows = (len(windows) - 1) * arch.crossbar.rows + windows[-1].rows
    return rows * arch.crossbar.outputs // arch.lanes


def read_batch(value: int | str) -> int:
    """Images that a load serves.

    Raises:
        ConfigError: Other numbers than those of which the compiler's own trial runs are multiples.
    """
    if value in BATCHES:
        return int(value)
    raise ConfigError(f"option {BATCH} is {value}, must be one of {', '.join(map(str, BATCHES))} images a load")


def with_reloads(network: Network, arch: Arch, asked: str, batch: int = 1) -> Network:
    """The network in which the weights of some layers travel for every image.

    Args:
        network: With the cuts that the user asks for.
        arch: Its planes are what travels.
        asked: The layers' names, joined by ";", or by "," if their weights are in the same planes one after the other,
            "*2" behind them if there are two windows of planes for their loads; none if empty.
        batch: Images that a load serves.

    Raises:
        ConfigError: A name that is no layer whose weights can travel, or a chip without a memory.
        CapacityError: A layer with more words of weights than a channel can count.
    """
    groups = [_read_turn(text) for text in asked.split(";") if text.strip()]
    names = [name for group, _ in groups for name in group]
    if not names:
        return network
    layers = [node.name for node in network.nodes if type(node) is Mvm]
    for name in names:
        if name not in layers:
            raise ConfigError(f"option {OPTION}: {name} is not a layer on crossbars; those are {', '.join(layers)}")
        if names.count(name) > 1:
            raise ConfigError(f"option {OPTION}: {name} is named {names.count(name)} times; once is enough")
    if not arch.places("memory"):
        raise ConfigError(
            f"option {OPTION}: architecture {arch.name} has no memory PU to send weights from; "
            "give it one, such as pus: {memory: [5]}"
        )
    types = dict(network.tensors)
    turns = {
        name: _Turn(tuple(_weights(layer) for layer in layers if layer in group), windows)
        for group, windows in groups
        for name in group
    }
    nodes = tuple(made for node in network.nodes for made in _nodes(node, arch, turns, batch, types))
    return replace(network, tensors=types, nodes=nodes)


class _Turn(NamedTuple):
    tensors: tuple[str, ...]
    windows: int


def _read_turn(text: str) -> tuple[list[str], int]:
    """Names, and the number of windows behind them."""
    names, star, number = text.partition("*")
    if star and not (number.strip().isdigit() and int(number) > 0):
        raise ConfigError(f"option {OPTION}: '{text.strip()}' must end in a number of windows, 1 or more, such as *2")
    return [name.strip() for name in names.split(",") if name.strip()], int(number or 1)


def _weights(layer: str) -> str:
    """The tensor, and the node that sends it."""
    return f"{layer}/weights"


def _nodes(
    node: Node, arch: Arch, turns: dict[str, _Turn], batch: int, types: dict[str, TensorType]
) -> Iterator[Node]:  # fmt: skip
    if not isinstance(node, Mvm) or node.name not in turns:
        yield node
        return
    matrix = node.weights.reshape(node.bias.size, -1).T
    words = travelling_words((matrix.shape[0], matrix.shape[1]), arch)
    rows = plane_images(matrix, arch.crossbar).reshape(-1, arch.crossbar.outputs)
    image = rows[: words * arch.lanes // arch.crossbar.outputs]
    if words > WORDS_MAX:
        raise CapacityError(f"option {OPTION}: {node.name} has {words} words of weights, a channel counts {WORDS_MAX}")
    weights, (turn, windows) = _weights(node.name), turns[node.name]
    types[weights] = TensorType(len(image), 1, arch.crossbar.outputs, 1.0, 0)
    yield Load(weights, (), weights, image, turn, windows, batch)
    values = {field.name: getattr(node, field.name) for field in fields(Mvm)}
    yield LoadedMvm(**{**values, "inputs": (*node.inputs, weights), "turn": turn, "windows": windows, "batch": batch})
