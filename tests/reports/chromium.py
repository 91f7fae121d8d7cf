"""A page in a real Chromium, headless: what it logged, what it asked of the network, and how it looks.

Also a program, which makes docs/report.png: ``python tests/reports/chromium.py PAGE PNG [dark] [WIDTHxHEIGHT]``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
DEADLINE_S = 90.0
# kinds of a net log's events that mean that something was fetched; the numbers differ by version, the names do not
_REQUEST = "URL_REQUEST_START_JOB"
# who asked: the browser itself, for its own purposes; a page has an origin
_BROWSER = "not an origin"


@dataclass(frozen=True)
class Visit:
    """What a visit left.

    Attributes:
        console: lines that the page (or the content security policy) logged.
        requests: addresses asked for, the page itself excepted.
        dom: the document after its scripts ran.
    """

    console: list[str]
    requests: list[str]
    dom: str


def find() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def visit(
    page: Path,
    screenshot: Path | None = None,
    *,
    dark: bool = False,
    size: tuple[int, int] = (1280, 900),
    fragment: str = "",
) -> Visit:
    """Load the page, at a fragment of it; `screenshot`: where to write a PNG, or, for a name in .pdf, its print."""
    browser = find()
    if browser is None:
        raise FileNotFoundError(f"no Chromium here; looked for {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory(prefix="report-browser-") as folder:
        log = Path(folder) / "net.json"
        common = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--enable-logging=stderr", f"--window-size={size[0]},{size[1]}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--log-net-log={log}",
            f"--user-data-dir={folder}/profile", "--virtual-time-budget=2000",
        ]  # fmt: skip
        paper = screenshot is not None and screenshot.suffix == ".pdf"
        made = f"--{'print-to-pdf' if paper else 'screenshot'}={screenshot}"
        action = ["--dump-dom"] if screenshot is None else [made]
        done = subprocess.run(
            [*common, *action, page.resolve().as_uri() + fragment],
            capture_output=True, text=True, timeout=DEADLINE_S, check=True, env={**os.environ, "HOME": folder},
        )  # fmt: skip
        console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        return Visit(console, _requests(json.loads(log.read_text(encoding="utf-8")), page), done.stdout)


def _requests(log: dict[str, Any], page: Path) -> list[str]:
    start = log["constants"]["logEventTypes"][_REQUEST]
    asked = [event["params"] for event in log["events"] if event["type"] == start and "url" in event.get("params", {})]
    addresses = {params["url"] for params in asked if params.get("initiator") != _BROWSER}
    own = page.resolve().as_uri()
    return sorted(url for url in addresses if url.split("#")[0] != own and not url.startswith(("data:", "chrome:")))


if __name__ == "__main__":
    numbers = next((word for word in sys.argv[3:] if "x" in word), "1280x900").split("x")
    visit(
        Path(sys.argv[1]),
        Path(sys.argv[2]).resolve(),
        dark="dark" in sys.argv[3:],
        size=(int(numbers[0]), int(numbers[1])),
    )
