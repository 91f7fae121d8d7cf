"""What an exploration may be asked for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.explore.estimate import Size
from harness.verdict import Verdict
from harness.words import counted

__all__ = ["EVERY", "INTERNAL", "Cost", "Driver", "Exploration", "ExploreError", "Model"]

Driver = Literal["exhaustive", "crash", "progress", "pct", "pos", "uniform"]
Model = Literal["rc11", "sc"]

EVERY = 2
"""Period of a planted bug that strikes every n-th call: explored programs make few calls."""

INTERNAL = "internal"
"""The rule of a verdict that says: the same schedule led to two executions, so that nothing here can be believed."""


class ExploreError(ValueError):
    """What was asked for cannot be explored; the message says why and what would be right."""


@dataclass(frozen=True, order=True)
class Cost:
    """What a person has to follow in a schedule, the hardest first; costs compare in this order.

    Attributes:
        stale: accesses that took, or were put below, something older than the newest.
        switches: steps made by another worker than the step before. kills: workers killed.
        chosen: other things that the environment need not have done, such as a time-out. steps: of all workers.
        exact: every execution was seen: no schedule of the program that fails so costs less.
    """

    stale: int
    switches: int
    kills: int
    chosen: int
    steps: int
    exact: bool = field(compare=False)

    def __str__(self) -> str:
        counts = {"stale access": self.stale, "context switch": self.switches, "kill": self.kills}
        named = [counted(count, name) for name, count in counts.items()]
        return ", ".join(named) + (" (the fewest there can be)" if self.exact else "")


@dataclass(frozen=True)
class Exploration:
    """What an exploration saw.

    Attributes:
        verdict: pass if every execution within the bounds was seen and is right; inconclusive if some were not seen.
        driver, model: as asked for.
        executions: complete ones. cut: those that end in a wait which newer stores would end.
        bounded: those that were left where a worker met a bound; how they go on is not known.
        histories: distinct ones, each judged once.
        exhausted: nothing is left to explore.
        seconds: it took.
        schedule: replays the failure; empty if there is none.
        kills: (worker, step) of the failure, for the crash driver. crashes: kills in each execution.
        alone: the only worker that went on after the schedule of the failure, for the progress driver.
        cost: of the schedule, if it was minimised.
        engine, jobs: where it was explored, and how many parts at a time. parts: that were shared out.
        resubmitted: parts that were given out again because a process had died.
        size: about how large the program is, if the exhaustive driver did not come to its end.
        longest: accesses of each worker in an execution, at most.
    """

    verdict: Verdict
    driver: Driver
    model: Model
    executions: int
    cut: int
    bounded: int
    histories: int
    exhausted: bool
    seconds: float
    schedule: str = ""
    kills: tuple[tuple[int, int], ...] = ()
    crashes: int = 0
    alone: int | None = None
    cost: Cost | None = None
    engine: str = "here"
    jobs: int = 1
    parts: int = 1
    resubmitted: int = 0
    size: Size | None = None
    longest: tuple[int, ...] = ()

    @property
    def visited(self) -> int:
        """Executions, however they ended: what a budget of them has paid for."""
        return self.executions + self.cut + self.bounded
