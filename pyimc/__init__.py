# SPDX-License-Identifier: Apache-2.0
"""The machine in Python: architecture, instructions, numerics, golden and cycle model, energy."""

from pyimc.places import open_rooms

__version__ = "0.1.0"

open_rooms()
