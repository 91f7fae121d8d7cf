"""The page in a real browser: nothing logged, nothing fetched, something to see."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.record import Failure, RunRecord, Timeline, TimelineCall
from reports import write_report
from tests.reports import chromium
from tests.reports.records import failed

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def browser() -> None:
    if chromium.find() is None:
        missing = f"no Chromium here; looked for {', '.join(chromium.NAMES)}; Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="module")
def page(mixed: list[RunRecord], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(mixed, tmp_path_factory.mktemp("report"))


def test_no_complaint_and_no_request(page: Path) -> None:
    seen = chromium.visit(page)
    assert seen.console == []
    assert seen.requests == []
    assert "<h1>FAIL</h1>" in seen.dom


def test_the_two_witnesses_are_not_blind(page: Path, tmp_path: Path) -> None:
    html = page.read_text("utf-8").replace("</body>", '<img src="http://127.0.0.1:9/x.png"><script>1</script></body>')
    (tmp_path / "bad.html").write_text(html, "utf-8")
    assert any("Content Security Policy" in line for line in chromium.visit(tmp_path / "bad.html").console)
    bare = '<!doctype html><img src="http://127.0.0.1:9/x.png">'
    (tmp_path / "bare.html").write_text(bare, "utf-8")
    assert chromium.visit(tmp_path / "bare.html").requests == ["http://127.0.0.1:9/x.png"]


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 1280), (False, 400), (True, 400)])
def test_screenshot(page: Path, tmp_path: Path, dark: bool, width: int) -> None:
    chromium.visit(page, tmp_path / "page.png", dark=dark, size=(width, 900))
    with Image.open(tmp_path / "page.png") as image:
        pixels = np.asarray(image.convert("L"), dtype=float)
    assert pixels.std() > 10, "blank"
    assert (np.median(pixels) < 100) == dark


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with two timelines; workers 0 to 3 call in turn, a batch among them, and #5 and #6 are the witness."""
    calls = [
        TimelineCall((row,), str(row % 4), "write", f"message {row}", "ok", 10 * row, 10 * row + 8, abs(row - 5))
        for row in range(200)
    ]
    calls[8] = replace(calls[8], rows=(8, 1008, 1009))
    timeline = Timeline(tuple(calls), 10**6, "nearest", "ns", (5, 6), "It sticks.", 6)
    failure = Failure("fifo", "ORDER", "s", ("#5 first", "#6 second"), timeline=timeline)
    base = failed()
    records = [replace(base, failures=(failure, replace(failure, rule="HEAD")))]
    return write_report(records, tmp_path_factory.mktemp("timeline"))


def driven(page: Path, folder: Path, keys: list[str], fragment: str = "") -> str:
    """What the first timeline says after these keys, typed into its picture; the page is let run one script more."""
    typed = f"""
      const scroll = document.querySelector(".tl-scroll");
      for (const key of {keys}) scroll.dispatchEvent(new KeyboardEvent("keydown", {{ key, bubbles: true }}));
      const figure = document.querySelector("figure.timeline");
      document.title = [figure.querySelector("output").textContent, figure.querySelector("svg.tl-svg").style.width,
        figure.querySelectorAll("rect.now").length, figure.querySelector("details").open].join("|");
    """
    html = page.read_text("utf-8")
    html = re.sub(r"script-src 'sha256-[^']+'", "script-src 'unsafe-inline'", html)
    (folder / "driven.html").write_text(html.replace("</body>", f"<script>{typed}</script></body>"), "utf-8")
    seen = chromium.visit(folder / "driven.html", fragment=fragment)
    assert seen.console == []
    found = re.search(r"<title>(.*?)</title>", seen.dom)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["w"], r"#5 worker 1 write message 5, from 50 ns, took 8 ns, witness 1\|.*\|1\|false"),
        (["w", "w"], r"#6 worker 2 .* witness 2 stuck\|"),
        (["w", "ArrowRight"], r"#9 worker 1 "),
        (["w", "ArrowLeft"], r"#1 worker 1 "),
        (["w", "ArrowDown"], r"#6 worker 2 "),
        (["w", "ArrowUp"], r"#4 worker 0 "),
        (["Home"], r"#0 worker 0 "),
        (["End"], r"#199 worker 3 "),
        (["w", "+", "+", "-"], r"#5 .*\|200%\|1\|"),
        (["w", "+", "0"], r"#5 .*\|100%\|1\|"),
        (["w", "Enter"], r"#5 .*\|true"),
    ],
)
def test_keys(drawn: Path, tmp_path: Path, keys: list[str], told: str) -> None:
    assert re.match(told, driven(drawn, tmp_path, keys))


@pytest.mark.parametrize(("fragment", "told"), [("#op=17", "#17 worker 1 "), ("#op=1009", "#8 1008-1009 worker 0 ")])
def test_a_link_to_an_operation(drawn: Path, tmp_path: Path, fragment: str, told: str) -> None:
    assert driven(drawn, tmp_path, [], fragment).startswith(told)


def test_a_link_into_another_timeline_leaves_the_first_alone(drawn: Path, tmp_path: Path) -> None:
    assert driven(drawn, tmp_path, [], "#op=17&in=timeline-2").startswith("|")


def test_on_paper(drawn: Path, tmp_path: Path) -> None:
    chromium.visit(drawn, tmp_path / "page.pdf")
    printed = (tmp_path / "page.pdf").read_bytes()
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    # without the rows far from the witness, which are for the screen
    assert 1 < pages <= 12
