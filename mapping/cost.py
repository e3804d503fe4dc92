"""Engine cycles of a node per image: the weights of the schedulers' graphs.

The formulas are those of the engines without their start-up, waiting and transfer times; the cycle model and the
RTL give the real figures.
"""

import numpy as np

from mapping.firing import row_words
from mapping.tiling import matrix, spans
from pyimc.arch import Arch
from pyimc.network import Add, Mvm, Network, Node, Pool, output_shape


def node_cycles(network: Network, node: Node, arch: Arch) -> int:
    """Cycles that a node keeps its engine busy per image."""
    if isinstance(node, Mvm):
        return mvm_cycles(network, node, arch)
    if isinstance(node, Pool):
        return pool_cycles(network, node, arch)
    return add_cycles(network, node, arch)


def mvm_cycles(network: Network, node: Mvm, arch: Arch) -> int:
    """Crossbar cycles of a layer: per window and row tile, the longer of conversion and gather.

    Conversion: dac_steps * ceil(columns / adcs), summed over the column tiles. The gather of the next row tile runs
    meanwhile: one read for each word that a run of kernel-row bytes touches, padding included.
    """
    source = network.tensors[node.inputs[0]]
    height, width, _ = output_shape(network, node)
    crossbar = arch.crossbar
    rows, columns = matrix(node).shape
    groups = sum(-(-used // crossbar.adcs) for _, used in spans(columns, crossbar.columns))
    conversion = arch.dac_steps * groups
    run = node.kernel[1] * source.channels
    window = (np.arange(width) * node.stride[1] - node.pads[1]) * source.channels
    total = 0
    for start, used in spans(rows, crossbar.rows):
        gather = np.zeros(width, np.int64)
        at = start
        while at < start + used:
            length = min(run - at % run, start + used - at)
            offset = (window + at % run) % arch.lanes
            gather += -(-(offset + length) // arch.lanes)
            at += length
        total += int(np.maximum(gather, conversion).sum())
    return height * total


def pool_cycles(network: Network, node: Pool, arch: Arch) -> int:
    """One word of channels per cycle, for every tap of every window."""
    height, width, channels = output_shape(network, node)
    return height * width * arch.words(channels) * node.kernel[0] * node.kernel[1]


def add_cycles(network: Network, node: Add, arch: Arch) -> int:
    """One word of either operand per cycle."""
    kind = network.tensors[node.output]
    return 2 * kind.height * row_words(kind, arch)
