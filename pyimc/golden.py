"""The golden model: every tensor of a quantised network, bit by bit, in integer arithmetic throughout.

What a node computes is in the file of its kind in `pyimc/operators/`.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from pyimc.errors import ConfigError
from pyimc.network import Network, Node
from pyimc.tensors import Map as Map


def run(network: Network, image: Map) -> dict[str, Map]:
    """Compute all tensors of a network for one image.

    Args:
        network: A verified network.
        image: uint8 [height, width, channels], the value of `network.input`.

    Returns:
        The map of every tensor, the input included, in the order of computation: uint8, int32 if it is partial.

    Raises:
        ConfigError: The image has another shape or type than the network's input.
    """
    expected = network.tensors[network.input].shape
    if image.shape != expected or image.dtype != np.uint8:
        raise ConfigError(
            f"network {network.name}: its input is uint8 {expected}, got {image.dtype} {image.shape}; "
            "convert the image first"
        )
    values = {network.input: image}
    for node in network.nodes:
        values[node.output] = run_node(network, node, tuple(values[name] for name in node.inputs))
    return values


def run_all(network: Network, images: Iterable[Map]) -> Iterator[dict[str, Map]]:
    """Compute all tensors for image after image, as many at a time as there are cores.

    A core takes a whole image: matrix products of one image on several cores leave them idle in all that is between.

    Args:
        network: A verified network.
        images: As for `run`; taken as they are needed, so that they need not fit into memory.

    Returns:
        What `run` returns, in the order of the images.
    """
    return run_each((network, image) for image in images)


def run_each(work: Iterable[tuple[Network, Map]]) -> Iterator[dict[str, Map]]:
    """As `run_all`, each image on a network of its own."""
    cores = os.cpu_count() or 1
    with threadpool_limits(1), ThreadPoolExecutor(cores) as pool:
        started: deque[Future[dict[str, Map]]] = deque()
        for network, image in work:
            started.append(pool.submit(run, network, np.asarray(image)))
            if len(started) > cores:
                yield started.popleft().result()
        while started:
            yield started.popleft().result()


def run_node(network: Network, node: Node, inputs: tuple[Map, ...]) -> Map:
    """Compute the output of one node.

    Args:
        network: The network of the node.
        node: One of its nodes.
        inputs: [height, width, channels] maps in the order of `node.inputs`, uint8 or int32 (partial).

    Returns:
        [height, width, channels], uint8, or int32 if the output is partial.
    """
    target = network.target(node)
    result = node.run(inputs, target)
    assert result.shape == target.shape, node.name
    return result
