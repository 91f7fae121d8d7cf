"""A counterexample as a person reads it: the fact, the program, the interleaving, and how to run it again."""

from __future__ import annotations

from itertools import zip_longest

from harness.stateful.observation import Counterexample, Observed

__all__ = ["describe"]


def describe(found: Counterexample) -> str:
    """In this order: the fact; the program, a column per worker; the interleaving; how often it failed again; the
    replay line.
    """
    history = found.history
    count = len(history)
    calls = "the one call does not give" if count == 1 else f"no order of these {count} calls gives"
    lines = [f"not linearizable: {calls} the results that were observed", ""]
    prefix = [f"{observed.call} {observed.answer}" for observed in history if observed.worker < 0]
    if prefix:
        lines += ["before: " + "; ".join(prefix), ""]
    if any(observed.worker >= 0 for observed in history):
        lines += [*_columns(found), "", "interleaving:", *_interleaving(history), ""]
    else:
        lines += ["no worker is needed: this is no race", ""]
    lines += [
        f"failed {found.failed} of {found.runs} re-executions"
        if found.failed
        else f"seen once, not again in {found.runs} re-executions",
        f"replay: reproduce(make, specification, {found.program!r})",
    ]
    return "\n".join(lines)


def _columns(found: Counterexample) -> list[str]:
    workers = range(len(found.program.workers))
    columns = [
        [f"worker {worker}", *(f"{seen.call} {seen.answer}" for seen in found.history if seen.worker == worker)]
        for worker in workers
    ]
    widths = [max(map(len, column)) for column in columns]
    rows = zip_longest(*columns, fillvalue="")
    return [" | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _interleaving(history: tuple[Observed, ...]) -> list[str]:
    """Beginnings and ends in the order of the clock."""
    events = []
    for observed in history:
        if observed.worker >= 0:
            events.append((observed.invoked, f"  worker {observed.worker} begins {observed.call}"))
            events.append((observed.returned, f"  worker {observed.worker} ends {observed.call} {observed.answer}"))
    return [text for _, text in sorted(events)]
