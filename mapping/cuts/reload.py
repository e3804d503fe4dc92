"""Layers whose weights do not stay in the crossbars: their weights become a tensor, which a node `Load` sends.

So the rule for activations holds for weights: they travel when there is room, and the room is given back when the last
firing of an image that needs them is over.
"""

from collections.abc import Iterator
from dataclasses import fields, replace

from pyimc.arch import Arch
from pyimc.engines.imc.tiling import plane_images, tiles
from pyimc.errors import CapacityError, ConfigError
from pyimc.network import Mvm, Network, Node
from pyimc.operators.load import Load, LoadedMvm
from pyimc.tensors import TensorType

OPTION = "reload"
WORDS_MAX = 2**16 - 1
"""What a channel can address of a unit's planes, and count."""


def with_reloads(network: Network, arch: Arch, asked: str) -> Network:
    """The network in which the weights of some layers travel for every image.

    Args:
        network: Before any cut.
        arch: Its planes are what travels.
        asked: The layers' names, joined by ";"; none if empty.

    Raises:
        ConfigError: A name that is no whole layer on crossbars, or a chip without a memory.
        CapacityError: A layer with more words of weights than a channel can count.
    """
    names = [name.strip() for name in asked.split(";") if name.strip()]
    if not names:
        return network
    layers = {node.name: node for node in network.nodes if type(node) is Mvm and not node.part}
    for name in names:
        if name not in layers:
            raise ConfigError(f"option {OPTION}: {name} is not a layer on crossbars; those are {', '.join(layers)}")
    if not arch.places("memory"):
        raise ConfigError(
            f"option {OPTION}: architecture {arch.name} has no memory PU to send weights from; "
            "give it one, such as pus: {memory: [5]}"
        )
    types = dict(network.tensors)
    nodes = tuple(made for node in network.nodes for made in _nodes(node, arch, names, types))
    return replace(network, tensors=types, nodes=nodes)


def _nodes(node: Node, arch: Arch, names: list[str], types: dict[str, TensorType]) -> Iterator[Node]:
    if not isinstance(node, Mvm) or node.name not in names:
        yield node
        return
    matrix = node.weights.reshape(node.bias.size, -1).T
    planes = plane_images(matrix, arch.crossbar)
    spare = arch.crossbar.rows - tiles(matrix.shape, arch.crossbar)[-1].rows
    rows = planes.reshape(-1, arch.crossbar.columns)
    image = rows[: len(rows) - spare]
    words = image.size // arch.lanes
    if words > WORDS_MAX:
        raise CapacityError(f"option {OPTION}: {node.name} has {words} words of weights, a channel counts {WORDS_MAX}")
    weights = f"{node.name}/weights"
    types[weights] = TensorType(len(image), 1, arch.crossbar.columns, 1.0, 0)
    yield Load(weights, (), weights, image)
    values = {field.name: getattr(node, field.name) for field in fields(Mvm)}
    yield LoadedMvm(**{**values, "inputs": (*node.inputs, weights)})
