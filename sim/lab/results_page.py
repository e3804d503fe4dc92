"""docs/results.md: measured sections are replaced between their markers, the prose around them is written by hand."""

from __future__ import annotations

from pathlib import Path

from pyimc.places import INSTALLED, place
from sim.run.folder import BUILD

PAGE = BUILD / "results.md" if INSTALLED else place("docs/results.md")
"""A wheel has no page to rewrite; there, a new one gets what is measured."""


def replace_section(name: str, text: str, page: Path = PAGE) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`, in one step.

    Raises:
        ValueError: The page has no such section.
    """
    marked = f"<!-- {name} -->\n<!-- /{name} -->\n"
    if INSTALLED and (not page.is_file() or marked.split("\n")[0] not in page.read_text()):
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text((page.read_text() if page.is_file() else "") + marked)
    old = page.read_text()
    before, begin, rest = old.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not begin or not end:
        raise ValueError(f"{page}: no section <!-- {name} -->")
    scratch = page.with_name(f".{page.name}")
    scratch.write_text(f"{before}{begin}{text.rstrip()}\n{end}{after}")
    scratch.replace(page)
