# SPDX-License-Identifier: Apache-2.0
"""The cycle model: what every cycle of a Program is spent on, equal to the RTL's, without computing a value."""

from pyimc.cycle.model import Run, simulate

__all__ = ["Run", "simulate"]
