"""The step of each layer's converters, from histograms of the column sums of calibration images.

A step of 2**shift rounds; codes that are too few for the largest sums clip. Of all shifts a layer gets the one whose
squared error over the sums that were seen is smallest, each bit step and slice weighed as shift-and-add weighs it: by
4**bits. That is the choice of CrossSim's and analog-cim-sim's calibrated ranges, with steps that are powers of two.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pyimc import golden
from pyimc.arch import Arch, Crossbar
from pyimc.crossbar import Converter, convert, places, reads, signed_cells, widest_shift
from pyimc.network import Mvm, Network
from pyimc.tensors import Map


def with_calibrated_converters(network: Network, arch: Arch, images: Iterable[Map]) -> Network:
    """A network whose layers have the steps that images call for; itself if converters of the chip are not calibrated.

    Args:
        network: A verified network.
        arch: The chip.
        images: uint8 [height, width, channels] each, of calibration; one or more.
    """
    crossbar = arch.crossbar
    if crossbar.adc is None or crossbar.adc.range != "calibrated":
        return network
    errors: dict[str, NDArray[np.float64]] = {}
    for values in golden.run_all(network, images):
        for node in network.nodes:
            if isinstance(node, Mvm):
                errors[node.name] = errors.get(node.name, 0.0) + squared_errors(node, values[node.inputs[0]], crossbar)
    nodes = tuple(
        replace(node, adc_shift=int(errors[node.name].argmin())) if isinstance(node, Mvm) else node
        for node in network.nodes
    )
    return replace(network, nodes=nodes)


def squared_errors(node: Mvm, image: Map, crossbar: Crossbar) -> NDArray[np.float64]:
    """What every shift, from 0 to the widest, costs a layer on one image: float64 [shifts]."""
    assert crossbar.adc
    matrix = node.matrix()
    vectors = node.patches(image).reshape(-1, len(matrix))
    shifts = range(widest_shift(crossbar.adc.bits, len(matrix), crossbar) + 1)
    errors = np.zeros(len(shifts))
    place = places(crossbar)
    for _, _, found in reads(vectors, signed_cells(matrix, crossbar), crossbar):
        sums = found.astype(np.int64).transpose(0, 2, 1, 3)
        for at in np.ndindex(place.shape):
            lowest = sums[at].min()
            counts = np.bincount((sums[at] - lowest).reshape(-1))
            seen = np.flatnonzero(counts)
            weights = counts[seen] * 4.0 ** place[at]
            for shift in shifts:
                off = convert(seen + lowest, Converter(crossbar.adc.bits, shift, crossbar.differential)) - seen - lowest
                errors[shift] += (weights * np.square(off.astype(np.float64))).sum()
    return errors
