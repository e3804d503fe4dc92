"""Stored on the vector engine: depthwise on a pixel outside of any map, whose sums are the biases alone.

So it reads nothing, neither words nor weights, and its values are in the parameter memory.
"""

import numpy as np

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from pyimc.arch import Arch
from pyimc.engines.dpu.task import Kernels, VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Network, Stored

_AS_IT_IS = (2, 1)  # multiplier and shift


@firings.register
def _(node: Stored, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    del grain
    words = row_words(network.target(node), arch)
    return (Firing(need=(), free=(), produce=words, offset=0, pixels=1, x0=-1, top=0, rows=1),)


@task.register
def _(node: Stored, network: Network, arch: Arch) -> VectorTask:
    del network, arch
    channels = node.values.size
    multiplier, shift = _AS_IT_IS
    nothing = np.zeros((0, 1, channels), np.int8)
    return VectorTask(
        Walk(OPERATIONS["DEPTHWISE"], run=channels, step=channels, row_bytes=1), 1, (multiplier,) * channels, inputs=0,
        kernels=Kernels(nothing, node.values.astype(np.int64), np.full(channels, shift, np.uint8)),
    )  # fmt: skip
