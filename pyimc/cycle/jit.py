# SPDX-License-Identifier: Apache-2.0
"""How the parts of the kernel are compiled: into one function, which numba keeps on disk."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

from numba import njit

hot = njit(inline="always", error_model="numpy")
"""For what runs every cycle: calls would cost more than what they do (each counts references to the state)."""

cold = njit(error_model="numpy")
"""For what runs now and then; compiles sooner than `hot`."""

compiled = njit(cache=True, error_model="numpy")
"""For the one function that Python calls."""


def sources_hash(further: Iterable[Path] = ()) -> int:
    """Of this package's files and others: numba looks only at the file of a cached function, not at what it calls."""
    digest = 0
    for path in [*sorted(Path(__file__).parent.glob("*.py")), *further]:
        digest = zlib.crc32(path.read_bytes(), digest)
    return digest
