"""One recorded history, judged by everything that applies to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.history import History, HistoryError
from harness.resolve import other_guesses
from harness.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from harness.exchange import Recording

__all__ = ["BUDGET_S", "FIFO", "Judgement", "judge", "that_say_something"]

FIFO = "fifo"
BUDGET_S = 60.0
_MOST_WAYS = 120
_MOST_ROWS = 1_000_000
_COUNTING = ("FULL", "OVERFLOW", "CAPACITY", "SKIP")


@dataclass(frozen=True)
class Judgement:
    """What was found about one file.

    Attributes:
        file: its name. specification: what it was judged as. verdicts: one a property.
        operations: the operations of the witnesses as text, by row.
        error: why the file was not understood; then there are no verdicts.
        history: the operations that the rows of the verdicts number: a History of a queue, a Recording of anything
            else; None after a judgement has crossed a process, or if the file was not understood.
        order: rows in the order that the general search found, if it was asked: of all, or of the longest prefix.
        clock: ``"ns"``, or ``"order"`` where the file tells only what came before what.
    """

    file: str
    specification: str = FIFO
    verdicts: tuple[Verdict, ...] = ()
    operations: dict[int, str] = field(default_factory=dict)
    error: str = ""
    history: History | Recording | None = None
    order: tuple[int, ...] = ()
    clock: str = "ns"

    @property
    def outcome(self) -> tuple[Outcome, str]:
        """The outcome of all verdicts, and why."""
        return Verdict.overall(self.verdicts)


def judge(
    file: str,
    specification: str | None = None,
    *,
    budget: float = BUDGET_S,
    drained: bool = False,
    memory: int | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Judgement:
    """Judge one file.

    Args:
        file: its name; ``-`` is standard input. specification: as `find` takes it; None: what the file says, or a FIFO.
        budget: seconds for the general search. drained: nothing was inside at the end.
        memory: bytes that it may take; None: what the machine has. tell: hears beforehand what a large file will take.

    Raises:
        HistoryError: the file was not understood, or names a specification that is not built in.
        SpecificationError: there is no such specification.
    """
    from harness.checks.linearizability import linearize
    from harness.checks.specifications import SPECIFICATIONS, find
    from harness.checks.specifications.operation import asking
    from harness.exchange import load_history, open_reading

    if specification in (None, FIFO) and file.removesuffix(".gz").endswith(".npz"):
        return _judge_fifo(file, load_history(file), None, drained)
    with open_reading(file, memory=memory, tell=tell) as reading:
        named = specification or str(reading.header.get("spec") or FIFO)
        if named == FIFO:
            history = reading.history()
            return replace(_judge_fifo(file, history, reading.lines, drained), clock=_clock(reading.header))
        # a history is data: only whoever asks may name code to run
        if specification is None and named not in SPECIFICATIONS:
            known = ", ".join(SPECIFICATIONS)
            raise HistoryError(f"{file}:1: spec {named!r}; a header names one of {known}; any other with --spec")
        specified = find(named)
        recording = reading.recording()
    # also what a class of the user raises where nobody asks it, as in the words for an error
    with nullcontext() if named in SPECIFICATIONS else asking(f"{file}: {named}"):
        verdict, order = linearize(recording, specified, budget=budget)
    rows = verdict.witness.operations if verdict.witness is not None else ()
    operations = {row: str(recording.calls[row]) for row in rows}
    return Judgement(
        file, named, (verdict,), operations, history=recording, order=order, clock=_clock(recording.header)
    )


def _clock(header: Mapping[str, Any]) -> str:
    return str(header.get("clock", "ns"))


def _judge_fifo(file: str, history: History, lines: npt.NDArray[np.int64] | None, drained: bool) -> Judgement:
    """What can be judged of a channel whose configuration nobody knows: not its retry policy, nor its progress."""
    history, verdicts = _whatever_was_guessed(history, _channel_verdicts(history, drained), drained)
    rows = {row for verdict in verdicts if verdict.witness is not None for row in verdict.witness.operations}
    operations = {
        row: ("" if lines is None else f"line {lines[row]}: ") + history.describe(row) for row in sorted(rows)
    }
    return Judgement(file, FIFO, verdicts, operations, history=history)


def that_say_something(integrity: Verdict, fifo: Verdict, timed: Verdict) -> tuple[Verdict, ...]:
    """Of a decided FIFO history in which nothing came out, or nobody timed out, these say nothing and are left out."""
    silent = integrity.outcome is Outcome.INCONCLUSIVE and fifo.outcome is not Outcome.INCONCLUSIVE
    return (*(() if silent else (integrity,)), fifo, *((timed,) if sum(timed.assertions.values()) else ()))


def _whatever_was_guessed(
    history: History, verdicts: tuple[Verdict, ...], drained: bool
) -> tuple[History, tuple[Verdict, ...]]:
    """A violation in which it was guessed what message an entry is holds only if it holds whatever that was."""
    failed = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    if not failed:
        return history, verdicts
    guessed, ways = other_guesses(history.operations)
    # a witness fails by itself, except where all that is inside counts
    shown = {row for verdict in failed if verdict.witness is not None for row in verdict.witness.operations}
    if shown.isdisjoint(guessed.tolist()) and not any(verdict.rule in _COUNTING for verdict in failed):
        return history, verdicts
    for tried, operations in enumerate(ways):
        if tried == min(_MOST_WAYS, 1 + _MOST_ROWS // len(operations)):
            reason = "it depends on what messages those entries are that no record names; not all ways were tried"
            return history, (Verdict.inconclusive("fifo", reason, {}),)
        otherwise = replace(history, operations=operations)
        others = _channel_verdicts(otherwise, drained)
        if not any(verdict.outcome is Outcome.FAIL for verdict in others):
            return otherwise, others
    return history, verdicts


def _channel_verdicts(history: History, drained: bool) -> tuple[Verdict, ...]:
    from harness.checks import check_fifo, check_integrity, check_timeliness
    from harness.checks.model import model_of

    model = model_of(history)
    return that_say_something(
        check_integrity(history, drained=drained, model=model),
        check_fifo(history, model),
        check_timeliness(history, slice_ns=None),
    )
