"""Exact costs of operations under fixed schedules, against a committed file. No statistics: a difference is a change.

harness/native/bench/counters.cpp counts; ``counters.json`` beside this module is what was agreed. Who changes the core
so that an operation takes another number of steps changes the file in the same commit (``gate --accept-counters``), so
that the change is seen and argued.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.gate.apart import PATIENCE_S
from harness.gate.rehearsal import counters_text
from harness.gate.source import BrokenPath, Builder, GateError, Tree

__all__ = ["AGREED", "Counters", "Difference", "accept", "agreed", "compare", "count"]

AGREED = Path("harness/gate/counters.json")
"""Below the root of the checkout."""

Counters = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Difference:
    """One count that is not what was agreed; None where one side has no such count."""

    schedule: str
    counter: str
    agreed: int | None
    counted: int | None

    def __str__(self) -> str:
        return f"{self.schedule}: {self.counter}: agreed {self.agreed or 0}, counted {self.counted or 0}"


_WRONG = "unexpected status"


def count(builder: Builder, tree: Tree, patience_s: float = PATIENCE_S) -> Counters:
    """What each schedule costs in `tree`: by schedule, by counter (those that are 0 are absent).

    Raises:
        GateError: it does not build. BrokenPath: an operation did not do what it is for.
    """
    counters: Counters = json.loads(counters_text(builder.build(tree, "counters.cpp"), patience_s))
    wrong = [name for name, counts in counters.items() if _WRONG in counts]
    if wrong:
        raise BrokenPath(f"{wrong[0]}: the call answered with status {counters[wrong[0]][_WRONG]}, which is wrong")
    return counters


def agreed(root: Path) -> Counters:
    """The committed file.

    Raises:
        GateError: it is missing, no JSON, or JSON of something else.
    """
    try:
        counters: Counters = json.loads((root / AGREED).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GateError(f"{AGREED} cannot be read ({error}); `gate --accept-counters` writes it") from error
    if not isinstance(counters, dict) or not all(isinstance(counts, dict) for counts in counters.values()):
        raise GateError(f"{AGREED} holds no counts by schedule; `gate --accept-counters` writes it")
    return counters


def accept(root: Path, counters: Counters) -> None:
    """Write the file that is to be committed."""
    text = json.dumps(counters, indent=1)
    (root / AGREED).write_text(text + "\n", encoding="utf-8")


def compare(agreed: Counters, counted: Counters) -> list[Difference]:
    """All differences, tolerance 0."""
    found = []
    for schedule in {**agreed, **counted}:
        before, now = agreed.get(schedule, {}), counted.get(schedule, {})
        for counter in {**before, **now}:
            if before.get(counter) != now.get(counter):
                found.append(Difference(schedule, counter, before.get(counter), now.get(counter)))
    return found
