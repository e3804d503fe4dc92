# SPDX-License-Identifier: Apache-2.0
"""Runs a Program on the RTL and on the cycle model and compares all that they say."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyimc.measurement import Measurement
from pyimc.program import Program
from sim.run.job import Job
from sim.run.record import rtl_measurement
from sim.run.validation import Comparison, compare_with_model
from sim.toolchain import simulator
from tests.sim.runs import images_for, store


def run_rtl(program: Program, images: NDArray[np.uint8], folder: Path, chips: Path) -> Measurement:
    """Runs a Program on the RTL in `folder`; values are not looked at. Compiled chips are kept in `chips`."""
    store(program, images, folder)
    build_dir = simulator.build("icarus", program.arch, "verilog", chips)
    job = Job("verilog", False)
    simulator.run("icarus", build_dir, folder.resolve(), job, 0, lambda progress: None)
    return rtl_measurement(program, folder)


def compare(program: Program, images: int, chips: Path = Path("build/simulator")) -> Comparison:
    """Runs a Program on the RTL and on the cycle model."""
    with tempfile.TemporaryDirectory() as folder:
        measured = run_rtl(program, images_for(program, images), Path(folder), chips)
    return compare_with_model(program, images, measured)
