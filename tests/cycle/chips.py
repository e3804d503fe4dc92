# SPDX-License-Identifier: Apache-2.0
"""The chips on which the cycle model is compared with the RTL."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyimc.arch import Arch, arch_from_dict, load_arch


def _default_with(name: str, **changes: object) -> Arch:
    data = load_arch("default").model_dump(mode="json")
    crossbar = data["crossbar"] | dict(changes.pop("crossbar", {}))  # type: ignore[call-overload]
    return arch_from_dict(data | changes | {"crossbar": crossbar, "name": name}, name)


NETWORK_CHIPS: dict[str, tuple[Arch, int]] = {
    "default": (load_arch("default"), 2),
    # Nothing can run ahead: the shortest fifos and packets, and rings that hold what one firing needs.
    "starved": (
        _default_with(
            "starved", mesh={"columns": 5, "rows": 4, "fifo_depth": 2}, packet_words=2, activation_words=512,
            host_words=16,
        ), 0,
    ),
    # Engines wait for links: arrays that convert at once, narrow links, a head for every word, and a line of nodes with
    # the only digital PU at its far end.
    "slow_network": (
        _default_with(
            "slow_network", mesh={"columns": 16, "rows": 1, "fifo_depth": 2}, dpus=[15], word_bits=64, packet_words=1,
            crossbar={"adcs": 256, "dac_bits": 8},
        ), 1,
    ),
}  # fmt: skip
"""For digits and the ResNets: the chip, and the slack rows of the rings on it."""


def random_chip(seed: int) -> Arch:
    """A chip with every parameter drawn; small enough for a simulation in seconds."""
    draw = np.random.default_rng(seed)

    def one_of(*values: int) -> int:
        return int(draw.choice(values))

    columns, rows = one_of(2, 3, 4, 5), one_of(2, 3)
    host, *others = draw.permutation(columns * rows).tolist()
    lanes = one_of(8, 8, 16, 32)
    width = one_of(32, 64, 128)
    data: dict[str, Any] = {
        "name": f"random{seed}",
        "mesh": {"columns": columns, "rows": rows, "fifo_depth": one_of(2, 2, 3, 4, 8)},
        "host": host,
        "dpus": others[: one_of(1, 1, 2, 3)][: columns * rows - 3],
        "word_bits": 8 * lanes,
        "packet_words": one_of(1, 2, 3, 4, 7, 16),
        "contexts": one_of(8, 16, 32),
        "destinations": one_of(4, 8),
        "instructions": 256,
        "activation_words": one_of(300, 1000, 4096),
        "parameters": 1024,
        "output_columns": 128,
        "host_words": one_of(100, 256),
        "crossbar": {
            "rows": one_of(32, 64, 128), "columns": width, "planes": one_of(32, 64, 128),
            "adcs": width // one_of(1, 2, 4, 16), "dac_bits": one_of(1, 2, 4, 8),
        },
        "partial_words": one_of(300, 1000, 4096),
    }  # fmt: skip
    # Drawn last, so that all the rest is what it was before there were cells. Columns are 1024 at most.
    cell_bits, signs = max(one_of(8, 8, 4, 2, 1), width // 64), one_of(1, 1, 2)
    cells = {
        "cell_bits": cell_bits, "weights": ("offset", "differential")[signs - 1],
        "columns": width * 8 // cell_bits * signs, "rows_per_read": one_of(4, 8, 32, 32),
    }  # fmt: skip
    data |= {"crossbar": data["crossbar"] | cells}
    spare = others[len(data["dpus"]) : -1]  # a crossbar PU is left
    if spare and one_of(0, 1):
        data |= {
            "pus": {"memory": spare[: one_of(1, 1, 2)]},
            "memory": {
                "planes": 512, "interval": one_of(1, 1, 3, 9), "latency": one_of(0, 20, 300),
                "row_cycles": one_of(0, 0, 70),
            },
        }  # fmt: skip
    return arch_from_dict(data, f"seed {seed}")
