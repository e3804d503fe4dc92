# SPDX-License-Identifier: Apache-2.0
"""XY routes cannot deadlock, on any mesh; routes that turn both ways can."""

import pytest

from pyimc.routing import route, waiting_cycle


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (1, 7), (2, 2), (5, 4), (7, 3)])
def test_no_circle_of_links_on_any_mesh(columns: int, rows: int) -> None:
    nodes = range(columns * rows)
    assert waiting_cycle(route(columns, source, target) for source in nodes for target in nodes) == []


def test_four_packets_that_turn_the_same_way_can_wait_for_each_other() -> None:
    """Around the square of a 2 x 2 mesh, two of them y first."""
    routes = [[0, 1, 3], [1, 3, 2], [3, 2, 0], [2, 0, 1]]
    assert sorted(waiting_cycle(routes)) == [(0, 1), (1, 3), (2, 0), (3, 2)]
    for left_out in routes:
        assert waiting_cycle(each for each in routes if each != left_out) == []
