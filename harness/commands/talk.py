"""What long work says while it goes on: a moving line on a terminal; plain lines without one, under CI or NO_COLOR."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from harness.verdict import Outcome

__all__ = ["Talk"]

QUIET_S = 10.0
"""Without a terminal: after so long, and every so long, a line says what is being done."""

_STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.INCONCLUSIVE: "yellow"}


class Talk:
    """Progress on standard error, a line per finished piece of work; a context manager."""

    def __init__(self, total: int) -> None:
        plain = bool(os.environ.get("CI")) or "NO_COLOR" in os.environ or not sys.stderr.isatty()
        self._console = Console(stderr=True, no_color=plain, force_terminal=False if plain else None, highlight=False)
        self._status = None if plain else Status("", console=self._console)
        self._total, self._done, self._label, self._began = total, 0, "", 0.0
        self._what = ""
        self._spoke = time.monotonic()
        self._over = threading.Event()
        self._reminder = threading.Thread(target=self._remind, daemon=True)

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        else:
            self._reminder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if self._status is not None:
            self._status.stop()
        else:
            self._reminder.join()

    def begin(self, label: str) -> None:
        """A piece of work begins."""
        self._label, self._began = label, time.monotonic()
        self.say("")

    def say(self, what: str) -> None:
        """What is being done now; shown on a terminal at once, else when it takes long."""
        self._what = what
        if self._status is not None:
            self._status.update(f"[{self._done + 1}/{self._total}] {self._label} {what}")

    def _remind(self) -> None:
        """Say what is being done, whenever nothing was said for a while."""
        while not self._over.wait(max(0.1, self._spoke + QUIET_S - time.monotonic())):
            if self._label and time.monotonic() - self._spoke >= QUIET_S:
                label, doing = " ".join(self._label.split()), self._what or "at work"
                seconds = time.monotonic() - self._began
                self._console.print(
                    f"[{self._done + 1}/{self._total}] {label}: {doing}, {seconds:.0f} s", markup=False, soft_wrap=True
                )
                self._spoke = time.monotonic()

    def end(self, label: str, outcome: Outcome, summary: str) -> None:
        """The piece of work is over."""
        self._done += 1
        self._label, self._spoke = "", time.monotonic()
        seconds = time.monotonic() - self._began
        self._console.print(
            f"[{_STYLES[outcome]}]{outcome.value.upper():12}[/] {label} {seconds:5.1f} s  {summary}",
            soft_wrap=True,
        )
