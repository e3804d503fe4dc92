# SPDX-License-Identifier: Apache-2.0
"""What a run of a chip of real cells cannot do."""

from __future__ import annotations

from pyimc.arch import Arch
from pyimc.errors import ConfigError


def check_cells(arch: Arch, level: str, array: str, front_door: bool) -> None:
    """What real cells hold comes through no port, and not every array computes every effect.

    Raises:
        ConfigError: Weights by the front door, or a drop for the very input without the array numpy.
    """
    if level != "rtl" or not (device := arch.crossbar.real):
        return
    if front_door:
        raise ConfigError(
            f"architecture {arch.name}: crossbar.device is {device.model.name}; what its cells hold comes through no "
            "front door, run without it"
        )
    if device.drop == "input" and device.segment_ohm and array != "numpy":
        raise ConfigError(
            f"architecture {arch.name}: crossbar.device.drop is input, which the array {array} does not compute; take "
            "the array numpy, or drop: mean"
        )
