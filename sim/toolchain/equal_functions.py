# SPDX-License-Identifier: Apache-2.0
"""Equal functions among those that Verilator writes are kept once: all PUs of a kind share their code.

Verilator does so itself, but takes two functions for unequal if what it calls their variables has another number behind
it (`__Vfunc_add__18__lower`, `__Vfunc_add__39__lower`), and it counts these over the whole chip. So every PU would have
code of its own, up to two and a half megabytes of C++.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_FUNCTION = re.compile(r"^void ((\w+?)___\w+)\((\2)\* vlSelf\) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
_NUMBERED = re.compile(r"\b(__V(?:func|task)_\w*?__)(\d+)(?=__|\b)")
_LEAST = 2000
"""Characters of a function that is worth it."""


def share(files: Iterable[Path]) -> None:
    """Has each function of a class that does what an earlier one does call that.

    Args:
        files: The C++ files of a chip, which are rewritten.
    """
    known: dict[tuple[str, str], str] = {}

    def shared(found: re.Match[str]) -> str:
        name, kind, body = found[1], found[2], found[4]
        if len(body) < _LEAST:
            return found[0]
        first = known.setdefault((kind, _meaning(body.replace(name, ""))), name)
        if first == name:
            return found[0]
        return f"void {first}({kind}* vlSelf);\nvoid {name}({kind}* vlSelf) {{ {first}(vlSelf); }}"

    for file in sorted(files):
        text = file.read_text()
        rewritten = _FUNCTION.sub(shared, text)
        if rewritten != text:
            file.write_text(rewritten)


def _meaning(body: str) -> str:
    """A function's text, with the numbers in its variables' names counted within it."""
    numbers: dict[str, int] = {}
    return _NUMBERED.sub(lambda found: f"{found[1]}{numbers.setdefault(found[2], len(numbers))}", body)
