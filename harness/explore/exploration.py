"""What an exploration may be asked for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.verdict import Verdict

__all__ = ["EVERY", "INTERNAL", "Driver", "Exploration", "ExploreError", "Model"]

Driver = Literal["exhaustive", "crash", "progress", "pct", "pos", "uniform"]
Model = Literal["rc11", "sc"]

EVERY = 2
"""Period of a planted bug that strikes every n-th call: explored programs make few calls."""

INTERNAL = "internal"
"""The rule of a verdict that says: the same schedule led to two executions, so that nothing here can be believed."""


class ExploreError(ValueError):
    """What was asked for cannot be explored; the message says why and what would be right."""


@dataclass(frozen=True)
class Exploration:
    """What an exploration saw.

    Attributes:
        verdict: pass if every execution within the bounds was seen and is right; inconclusive if some were not seen.
        driver, model: as asked for.
        executions: complete ones. cut: those that end in a wait which newer stores would end.
        histories: distinct ones, each judged once.
        exhausted: nothing is left to explore.
        seconds: it took.
        schedule: replays the failure; empty if there is none.
        kills: (worker, step) of the failure, for the crash driver. crashes: kills in each execution.
        alone: the only worker that went on after the schedule of the failure, for the progress driver.
    """

    verdict: Verdict
    driver: Driver
    model: Model
    executions: int
    cut: int
    histories: int
    exhausted: bool
    seconds: float
    schedule: str = ""
    kills: tuple[tuple[int, int], ...] = ()
    crashes: int = 0
    alone: int | None = None
