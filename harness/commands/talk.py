"""What long work says while it goes on: a moving line on a terminal, plain lines under CI or NO_COLOR."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from harness.verdict import Outcome

__all__ = ["Talk"]

_STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.INCONCLUSIVE: "yellow"}


class Talk:
    """Progress on standard error, a line per finished piece of work; a context manager."""

    def __init__(self, total: int) -> None:
        plain = bool(os.environ.get("CI")) or "NO_COLOR" in os.environ or not sys.stderr.isatty()
        self._console = Console(stderr=True, no_color=plain, force_terminal=False if plain else None, highlight=False)
        self._status = None if plain else Status("", console=self._console)
        self._total, self._done, self._label, self._began = total, 0, "", 0.0

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def begin(self, label: str) -> None:
        """A piece of work begins."""
        self._label, self._began = label, time.monotonic()
        self.say("")

    def say(self, what: str) -> None:
        """What is being done now; shown on a terminal only."""
        if self._status is not None:
            self._status.update(f"[{self._done + 1}/{self._total}] {self._label} {what}")

    def end(self, label: str, outcome: Outcome, summary: str) -> None:
        """The piece of work is over."""
        self._done += 1
        seconds = time.monotonic() - self._began
        self._console.print(
            f"[{_STYLES[outcome]}]{outcome.value.upper():12}[/] {label} {seconds:5.1f} s  {summary}",
            soft_wrap=True,
        )
