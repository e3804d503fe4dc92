# SPDX-License-Identifier: Apache-2.0
"""Rectangles side by side in a plane or in several, without turning them: CP-SAT's NoOverlap2D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ortools.sat.python import cp_model


class Size(NamedTuple):
    """Rows and columns."""

    rows: int
    columns: int

    @property
    def cells(self) -> int:
        """Area."""
        return self.rows * self.columns


class Place(NamedTuple):
    """A corner in a plane."""

    plane: int
    row: int
    column: int


def fullest(plane: Size, sizes: Sequence[Size], worth: Sequence[int], effort: float) -> dict[int, Place]:
    """The subset of rectangles of the largest worth that lies in one plane, as far as `effort` goes.

    Args:
        plane: To be filled.
        sizes: Of the rectangles; none larger than the plane.
        worth: Of each.
        effort: Deterministic seconds.
    """
    model = cp_model.CpModel()
    taken = [model.new_bool_var("") for _ in sizes]
    across, down, corners = [], [], []
    for size, present in zip(sizes, taken, strict=True):
        row = model.new_int_var(0, plane.rows - size.rows, "")
        column = model.new_int_var(0, plane.columns - size.columns, "")
        across.append(model.new_optional_fixed_size_interval_var(column, size.columns, present, ""))
        down.append(model.new_optional_fixed_size_interval_var(row, size.rows, present, ""))
        corners.append((row, column))
    model.add_no_overlap_2d(across, down)
    cells = sum(size.cells * present for size, present in zip(sizes, taken, strict=True))
    model.add(cells <= plane.cells)
    model.maximize(sum(value * present for value, present in zip(worth, taken, strict=True)))
    solver = solver_for(effort)
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return {}
    return {
        index: Place(0, solver.value(row), solver.value(column))
        for index, (present, (row, column)) in enumerate(zip(taken, corners, strict=True))
        if solver.value(present)
    }


def solver_for(effort: float) -> cp_model.CpSolver:
    """One thread and deterministic time: the same rectangles, the same places."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = effort
    return solver
