# SPDX-License-Identifier: Apache-2.0
"""Whoever waits for a search hears of every plan, and of how many there will be at most."""

from __future__ import annotations

from mapping.compile import compile_network
from mapping.placement.watch import expect, step, watched
from pyimc.arch import load_arch
from pyimc.program_file import program_hash
from sim.run.progress import plans_line
from tests.mapping.networks import residual


def test_every_plan_of_a_search_is_heard_of() -> None:
    heard: list[tuple[int, int]] = []
    network, arch = residual(), load_arch("tiny")
    with watched(lambda done, most: heard.append((done, most))):
        program = compile_network(network, arch, "lblp_plus", {"steps": 2})
    assert [done for done, _ in heard] == list(range(1, len(heard) + 1)) and len(heard) > 4
    assert all(done <= most for done, most in heard), "there are never more than was said"
    assert heard[0][1] >= len(heard), "nor than was said at first"
    heard_before = len(heard)
    again = compile_network(network, arch, "lblp_plus", {"steps": 2})
    assert program_hash(again) == program_hash(program) and len(heard) == heard_before, (
        "nobody watches, nothing changes"
    )


def test_nobody_need_watch() -> None:
    expect(3)
    step()


def test_what_a_line_says() -> None:
    assert (
        plans_line({"plans": 4, "plans_at_most": 10}, 20.0) == "planning: 4 plans run of at most 10, 30 s left at most"
    )
    assert plans_line({"plans": 4, "plans_at_most": 4}, 20.0) == "planning: 4 plans run"
