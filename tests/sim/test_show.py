# SPDX-License-Identifier: Apache-2.0
"""`pyimc show`: text, Graphviz that dot accepts, JSON with the same things."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pyimc.arch import load_arch
from tests.sim import small
from tests.sim.runs import pyimc


def dot_of(text: str) -> tuple[set[str], list[tuple[str, str]]]:
    """Names and edges of a Graphviz text; asserts that it is one graph with balanced braces."""
    assert re.match(r'(di)?graph "[^"]+" \{\n', text) and text.endswith("}\n") and text.count("{") == text.count("}")
    edges = re.findall(r'^ +("[^"]+"|\w+) -[->] ("[^"]+"|\w+)', text, re.MULTILINE)
    names = set(re.findall(r'^ +("[^"]+"|n\d+)(?: \[|;)', text, re.MULTILINE))
    return names, edges


def test_an_architecture() -> None:
    arch = load_arch("tiny")
    text = pyimc("show", "arch", "tiny").out
    assert text.startswith("tiny: 4 imc, 1 dpu on a mesh of 3 x 2\n")
    assert "  0 host    1 imc     2 imc\n  3 imc     4 dpu     5 imc\n" in text
    assert "16 cycles of conversion" in text  # 8 bits, 2 at once, 32 columns, 8 at once
    names, edges = dot_of(pyimc("show", "arch", "tiny", "--dot").out)
    assert len(names) == arch.nodes
    assert len(edges) == 7
    assert json.loads(pyimc("show", "arch", "tiny", "--json").out) == arch.model_dump(mode="json")


def test_a_model(workspace: Path) -> None:
    rows = json.loads(pyimc("show", "model", "digits", "--arch", "tiny", "--json").out)
    text = pyimc("show", "model", "digits", "--arch", "tiny").out.splitlines()
    table = text[text.index("") + 2 :]
    assert [line.split()[0] for line in table] == [row["node"] for row in rows]
    assert [int(line.split()[-2]) for line in table] == [row["cycles"] for row in rows]
    names, edges = dot_of(pyimc("show", "model", "digits", "--arch", "tiny", "--dot").out)
    assert names == {f'"{row["node"]}"' for row in rows}
    wanted = {(f'"{producer}"', f'"{row["node"]}"') for row in rows for producer in row["inputs"]}
    assert wanted <= {*edges}
    assert len({row["kind"] for row in rows}) == 2 and sum(row["planes"] for row in rows) > 0


def test_a_schedule(workspace: Path) -> None:
    folder, program = small.prepared(Path("run")), small.program()
    said = json.loads(pyimc("show", "schedule", folder, "--json").out)
    assert {row["actor"]: row["pu"] for row in said["actors"]} == {a.name: a.node for a in program.actors}
    assert [row["words"] for row in said["channels"]] == [ring.size for ring in program.channels]
    assert pyimc("show", "schedule", folder / "program").out == pyimc("show", "schedule", folder).out
    names, edges = dot_of(pyimc("show", "schedule", folder, "--dot").out)
    assert {f'"{actor.name}"' for actor in program.actors} <= names
    assert edges == [(f'"{ring.producer}"', f'"{ring.consumer}"') for ring in program.channels]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("arch", "nowhere"), "not found"),
        (("schedule", "nowhere"), "no such folder"),
        (("arch", "tiny", "--dot", "--json"), "one of them"),
        (("arch", "tiny", "--arch", "tiny"), "for pyimc show model only"),
    ],
)
def test_mistakes_are_one_line(workspace: Path, words: tuple[str, ...], says: str) -> None:
    said = pyimc("show", *words)
    assert said.code == 2
    assert said.err.count("\n") == 1 and says in said.err
