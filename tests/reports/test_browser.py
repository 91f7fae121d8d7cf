"""The page in a real browser: nothing logged, nothing fetched, something to see."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.record import RunRecord
from reports import write_report
from tests.reports import chromium

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
