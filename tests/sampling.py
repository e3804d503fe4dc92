# SPDX-License-Identifier: Apache-2.0
"""How many of many seeds run when."""

from typing import Any

import pytest


def seeds(fast: int, tested: int, swept: int) -> list[Any]:
    """Seeds 0 to `swept`: up to `fast` in `make fast`, up to `tested` in `make test`, the rest in `make sweep`."""
    slow = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(fast, tested)]
    return [*range(fast), *slow, *(pytest.param(seed, marks=pytest.mark.sweep) for seed in range(tested, swept))]
