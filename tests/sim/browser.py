# SPDX-License-Identifier: Apache-2.0
"""A real browser, without a screen: pages are opened as people open them, and every error of a script counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def opened(path: Path, scheme: str = "light", width: int = 1280) -> Iterator[tuple[Page, list[str]]]:
    """A page, once it has been loaded, and the errors that it has reported so far; it reaches no network."""
    assert Path(CHROMIUM).exists(), "the browser is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            offline=True,
        )
        page, errors = context.new_page(), list[str]()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:", "blob:")) else
                errors.append(f"asks for {asked.url}"))  # fmt: skip
        page.goto(path.resolve().as_uri())
        yield page, errors
        browser.close()
