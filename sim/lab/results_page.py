"""docs/results.md: measured sections are replaced between their markers, the prose around them is written by hand."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"


def replace_section(name: str, text: str, page: Path = PAGE) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`, in one step.

    Raises:
        ValueError: The page has no such section.
    """
    old = page.read_text()
    before, begin, rest = old.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not begin or not end:
        raise ValueError(f"{page}: no section <!-- {name} -->")
    scratch = page.with_name(f".{page.name}")
    scratch.write_text(f"{before}{begin}{text.rstrip()}\n{end}{after}")
    scratch.replace(page)
