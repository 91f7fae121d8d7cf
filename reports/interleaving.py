"""An interleaving as the page shows it: numbered, a column per worker, each step beside its source line.

What a sequentially consistent machine could not have done, a stale read, is marked; so are kills and the fault itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.record import Interleaving, Step

__all__ = ["Line", "Lines", "lines"]


@dataclass(frozen=True)
class Line:
    """One step.

    Attributes:
        number: from 1. worker: its column; -1: of nobody. text: what it did. sign: why it is marked, or empty.
        mark: ``"stale"``, ``"killed"``, ``"fault"`` or empty. place: file and line. code: that line; ``"″"``:
            that of the step before.
    """

    number: int
    worker: int
    text: str
    sign: str
    mark: str
    place: str
    code: str


@dataclass(frozen=True)
class Lines:
    """What the page needs: names of the columns, and the last lines; `hidden` earlier ones are left out."""

    workers: Sequence[str]
    shown: Sequence[Line]
    hidden: int


def lines(interleaving: Interleaving, most: int) -> Lines:
    """The last `most` steps: the fault stands at the end."""
    made = [_line(number, step) for number, step in enumerate(interleaving.steps, 1)]
    hidden = max(len(made) - most, 0)
    shown = made[hidden:]
    before = ""
    for index, line in enumerate(shown):
        if line.place and line.place == before:
            shown[index] = Line(line.number, line.worker, line.text, line.sign, line.mark, line.place, "″")
        before = line.place
    return Lines([chr(ord("A") + worker) for worker in range(interleaving.workers)], shown, hidden)


def _line(number: int, step: Step) -> Line:
    place = f"{step.file.rsplit('/', 1)[-1]}:{step.line}" if step.file else ""
    mark = sign = ""
    if step.note:
        mark = "killed" if step.note.startswith("killed") else "fault"
        sign = f"✖ {step.note}"
    elif step.stale:
        mark = "stale"
        newer = "one newer store" if step.stale == 1 else f"{step.stale} newer stores"
        sign = f"⚠ stale: there {'was' if step.stale == 1 else 'were'} {newer}"
    return Line(number, step.worker, step.access, sign, mark, place, step.code)
