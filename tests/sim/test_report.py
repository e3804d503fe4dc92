# SPDX-License-Identifier: Apache-2.0
"""`report.html`: what it says is what was measured, and a browser shows it without an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimc import program_file
from pyimc.cycle.model import simulate
from sim.report import gantt
from sim.report.timeline import timeline
from sim.report.waits import bottleneck
from tests.sim.browser import opened
from tests.sim.runs import enter, pyimc, read_result

LARGEST = 5_000_000
SLOWEST_MS = 3_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        enter(tmp_path_factory.mktemp("report"), patch)
        said = pyimc("sim", "--model", "digits", "--arch", "tiny", "--images", 4)
        assert said.code == 0 and "report.html" in said.out, said
        yield Path("build/digits-tiny-lblp-rtl").resolve()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_without_an_error(run: Path, scheme: str) -> None:
    with opened(run / "report.html", scheme) as (page, errors):
        page.wait_for_selector("#gantt canvas", state="attached")
        page.wait_for_timeout(300)
        assert not errors
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        dark = sum(map(int, re.findall(r"\d+", paper)[:3])) < 3 * 128
        assert dark == (scheme == "dark")
        colour = "Bokeh.documents[0].roots()[0].background_fill_color"
        card = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--card').trim()")
        assert page.evaluate(f"({colour}).value ?? {colour}") == card
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, "it fits its window"


def test_the_chart_zooms(run: Path) -> None:
    with opened(run / "report.html") as (page, errors):
        page.wait_for_selector("#gantt canvas", state="attached")
        page.wait_for_timeout(300)
        shown = "(() => { const x = Bokeh.documents[0].roots()[0].x_range; return x.end - x.start; })()"
        before = page.evaluate(shown)
        page.locator("#gantt .bk-Figure").hover(position={"x": 600, "y": 100})
        page.mouse.wheel(0, -400)
        page.wait_for_timeout(300)
        assert page.evaluate(shown) < 0.9 * before and not errors


def test_it_says_what_was_measured(run: Path) -> None:
    report: dict[str, Any] = read_result(run)
    with opened(run / "report.html", width=700) as (page, errors):
        text = page.inner_text("main")
        tiles = {
            tile.query_selector(".soft").inner_text(): (  # type: ignore[union-attr]
                tile.query_selector("b").inner_text(),  # type: ignore[union-attr]
                tile.query_selector(".level").inner_text(),  # type: ignore[union-attr]
            )
            for tile in page.query_selector_all(".tile")
        }
        assert tiles["latency"] == (f"{report['latency_cycles']:,}", "rtl")
        assert tiles["interval"] == (f"{report['interval_cycles']:,}", "rtl")
        assert tiles["largest load"] == (f"{report['largest_load_cycles']:,}", "plan")
        assert tiles["values"][0] == f"{sum(node['values_compared'] for node in report['nodes'].values()):,}"
        assert tiles["top-1"] == ("100.0%", "rtl") and tiles["energy"][1] == "rtl x table"
        assert "PASS" in text and "PU 1 sets the rate: conv3, 1,280 cycles an image" in text
        assert report["program_sha256"] in text and "pyimc rerun" in text and "--strategy lblp" in text
        rows = [row.inner_text().split("\t") for row in page.query_selector_all("#nodes tbody tr")]
        assert [row[0] for row in rows] == list(report["nodes"])
        assert [int(row[6].replace(",", "")) for row in rows] == [n["firings"] for n in report["nodes"].values()]
        bars = page.query_selector_all("#units .bar")
        assert len(bars) == len(report["pus"])
        for bar in bars:
            assert sum(map(float, re.findall(r"width: ([\d.]+)%", bar.inner_html()))) == pytest.approx(100, abs=0.05)
        links = page.query_selector_all("#map line.hot")
        assert len(links) > 4 and not errors


def test_the_chart_has_every_firing_and_every_wait(run: Path) -> None:
    program = program_file.load(run / "program")
    line = timeline(program, simulate(program, 4, events=100_000))
    for actor in line.actors.values():
        bars = list(gantt._bars(line, actor))
        inside = np.zeros(len(actor.issue), bool)
        for bar in bars:
            covered = (actor.issue >= bar.left) & (actor.issue < bar.right)
            assert not (inside & covered).any()
            inside |= covered
            assert {actor.place(index)[0] for index in np.flatnonzero(covered).tolist()} == {bar.image}
        assert inside.all()
        long = actor.waited > gantt.SHORT
        assert sum(bar.right - bar.left for bar in gantt._waits(line, actor)) == actor.waited[long].sum()


def test_a_failed_run_says_so_and_why(run: Path, workspace: Path) -> None:
    """A wrong weight: values differ, and the report is there all the same."""
    assert pyimc("sim", "--model", "digits", "--arch", "tiny", "--images", 2).code == 0
    folder = Path("build/digits-tiny-lblp-rtl")
    weights = next((folder / "program").glob("pu_*/weights.bin"))
    assert pyimc("corrupt", folder / "program", weights.relative_to(folder / "program"), 6).code == 0
    said = pyimc("rerun", folder)
    (written,) = re.findall(r"^\S+report\.html$", said.out, re.M)
    assert said.code == 1
    with opened(Path(written)) as (page, errors):
        text = page.inner_text("main")
        assert "FAIL" in text and "values differ; the first: node" in text and not errors


def test_golden_has_a_report_without_cycles(workspace: Path) -> None:
    assert pyimc("sim", "--model", "digits", "--arch", "tiny", "--images", 2, "--level", "golden").code == 0
    with opened(Path("build/digits-tiny-lblp-golden/report.html")) as (page, errors):
        assert "latency" not in page.inner_text(".tiles").split("\n") and not errors


def test_names_of_a_user_are_text_and_no_script(run: Path, workspace: Path) -> None:
    """A model's nodes may be called anything."""
    text = (run / "report.html").read_text()
    head = text[: text.index("<script>")]
    assert "onerror" not in head
    from sim.report.page import render

    page = render("compare.html", title="<img src=x onerror=alert(1)>", table=([], []), failures=["<b>"], chart=None,
                  library="", commands=[])  # fmt: skip
    assert "<img" not in page and "&lt;b&gt;" in page


def test_it_is_small_and_quick(run: Path) -> None:
    """Those of ResNet-18 and YOLOv8n have four times as many bars, and a bound on them."""
    assert (run / "report.html").stat().st_size < LARGEST / 2
    with opened(run / "report.html") as (page, _):
        page.wait_for_selector("#gantt canvas", state="attached")
        timing = json.loads(page.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0])"))
        assert timing["loadEventEnd"] < SLOWEST_MS


def test_the_evidence_is_a_walk_from_the_busiest_unit(run: Path) -> None:
    program = program_file.load(run / "program")
    found = bottleneck(timeline(program, simulate(program, 40, events=300_000)))
    assert found.cause == "load" and not found.chain


def test_a_comparison_sorts_and_filters(workspace: Path) -> None:
    said = pyimc("compare", "--model", "digits", "--arch", "tiny", "--pus", "2,3", "--strategy", "lblp", "--strategy",
                 "round_robin", "--images", 6, "--jobs", 1)  # fmt: skip
    assert said.code == 0 and "compare.html" in said.out, said
    with opened(Path("build/compare/compare.html")) as (page, errors):
        page.wait_for_selector(".model canvas", state="attached")
        page.wait_for_timeout(300)
        assert page.locator(".bk-Figure").count() == 2 and not errors

        def column(index: int) -> list[str]:
            cells = page.query_selector_all(f"#rows tbody tr:not([hidden]) td:nth-child({index})")
            return [cell.inner_text() for cell in cells]

        intervals = column(7)
        assert len(intervals) == 4
        for order in (sorted(intervals, key=int), sorted(intervals, key=int, reverse=True)):
            page.click("#rows th:nth-child(7)")
            assert column(7) == order
        page.fill(".filter", "robin DIGITS")
        assert column(4) == ["round_robin"] * 2 and page.inner_text("#count") == "2 of 4"
        assert "pyimc compare --model digits --strategy lblp" in page.inner_text("#repeat")
