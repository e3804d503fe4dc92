"""Which tests touch a module of the RTL: its own, those of what contains it, and networks on the whole chip."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

CONTAINING = 2  # how many tests of larger modules a mutant is run against
END_TO_END = "tests/sim/test_end_to_end.py"
NETWORKS = (
    f"{END_TO_END}::test_every_kind_of_node_is_right_on_the_chip",
    f"{END_TO_END}::test_a_cnn_of_a_seed_is_right_at_every_level",
)


def touching(root: Path, module: str) -> tuple[str, ...]:
    """Pytest's names of the tests, quickest first: the module's own, the smallest that contain it, networks.

    Raises:
        KeyError: `rtl/` has no such module.
    """
    inside = _contents(root)
    inside[module]
    above = [(top != module, len(inside[top]), test) for top, test in _tops(root) if module in inside.get(top, ())]
    own = [test for other, _, test in sorted(above) if not other]
    larger = [test for other, _, test in sorted(above) if other]
    return (*own, *larger[:CONTAINING], *NETWORKS)


@cache
def _contents(root: Path) -> Mapping[str, frozenset[str]]:
    """Every module with all modules below it, itself included."""
    texts = {path.stem: path.read_text() for path in sorted((root / "rtl").glob("*.v"))}
    uses = {
        module: {name for name in texts if name != module and re.search(rf"^\s*{name}\s+(#|u_\w+)", text, re.MULTILINE)}
        for module, text in texts.items()
    }

    def below(module: str) -> frozenset[str]:
        return frozenset({module}).union(*map(below, sorted(uses[module])))

    return {module: below(module) for module in texts}


@cache
def _tops(root: Path) -> tuple[tuple[str, str], ...]:
    """Module and file of every test that simulates one module."""
    found = []
    for path in sorted((root / "tests" / "rtl").glob("test_*.py")):
        tops = sorted(set(re.findall(r'\bsimulate\(\s*"(\w+)"', path.read_text())))
        found += [(top, str(path.relative_to(root))) for top in tops]
    return tuple(found)
