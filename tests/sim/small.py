# SPDX-License-Identifier: Apache-2.0
"""A small network with every kind of node, and one run of it to be broken."""

from __future__ import annotations

from pathlib import Path

from mapping.compile import compile_network
from pyimc.network import Network
from pyimc.program import Program
from tests.mapping.networks import Builder, small_arch
from tests.sim.runs import images_for, store

IMAGES = 2


def network() -> Network:
    """Two convolutions, their sum, a pooling and a classifier."""
    net = Builder(6, 6, 3)
    one = net.conv("one", "x", 8)
    pooled = net.pool("pool", net.add("sum", one, net.conv("two", one, 8)), "max", (2, 2), (2, 2))
    return net.finish(net.dense("last", pooled, 10))


def program(slack_rows: int = 2) -> Program:
    """It, compiled for the architecture `tiny`."""
    return compile_network(network(), small_arch(), "lblp", {"slack_rows": slack_rows})


def chain_program() -> Program:
    """A layer in two parts, the first of which gives partial sums, for the architecture `tiny`."""
    net = Builder(6, 6, 3)
    return compile_network(net.finish(net.chain("c", "x", 8, [(3, 3), (1, 1)])), small_arch())


def prepared(folder: Path) -> Path:
    """A run directory with it and two images."""
    return store(program(), images_for(program(), IMAGES), folder)
