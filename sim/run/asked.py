# SPDX-License-Identifier: Apache-2.0
"""What cannot be asked of a Program or a chip, before anything is written."""

from __future__ import annotations

from pyimc.arch import Arch
from pyimc.errors import ConfigError
from pyimc.program import Program


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


def check_images(program: Program, images: int) -> None:
    """A part of a batch would wait for the rest of it.

    Raises:
        ConfigError: Such a number of images.
    """
    if images % program.batch:
        whole = -(-images // program.batch) * program.batch
        raise ConfigError(
            f"images is {images}, must be a multiple of {program.batch}, such as {whole}: weights that travel come for "
            f"{program.batch} images at a time"
        )
