"""A history that is longer than memory, or has no end, judged while it is read."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.checks.integrity import check_integrity
from harness.checks.judgement import FIFO, Judgement, that_say_something
from harness.checks.online import OnlineFifo
from harness.checks.timeliness import check_timeliness
from harness.exchange.files import open_stream, refuse_nothing
from harness.exchange.memory import ROW_BYTES, available, in_words
from harness.exchange.stream import QueueStream, vocabulary
from harness.exchange.to_history import name_messages
from harness.history import HEAD_UNTOLD, PENDING_RETURN, History, HistoryError
from harness.operation import Kind, Status
from harness.verdict import Outcome, Verdict
from harness.words import counted

__all__ = ["StreamJudge", "judge_stream"]

_WINDOW = 1 << 16
_HASTE_S = 0.5
"""How long what was read waits for its judgement at the most, unless judging takes a tenth of it."""
_WORK_SHARE = 10
_WRITES = [kind.value for kind in Kind if kind.writes]


class StreamJudge:
    """Judges the operations of a `QueueStream` and drops what is settled."""

    def __init__(
        self, name: str, stream: QueueStream, *, drained: bool = False, memory: int | None = None, window: int = _WINDOW
    ) -> None:
        """
        Args:
            name: of the file, for errors. stream: that events are added to. drained: nothing is inside at the end.
            memory: bytes that it may take; None: what the machine has. window: operations to collect before they are
                judged.
        """
        self._name = name
        self._stream = stream
        self._drained = drained
        self._window = window
        self._limit = window
        self._rows_at_most = (available() if memory is None else memory) // ROW_BYTES
        self._shutdown: tuple[int, int] | None = None
        self._capacity: int | None = None
        self._full = 0
        self._untold = 0
        self._counts = {"integrity": Counter[str](), "timeliness": Counter[str]()}
        self.online = OnlineFifo(window=None)
        self.verdicts: tuple[Verdict, ...] = ()

    def begin(self, header: dict[str, Any]) -> None:
        """What the history says of itself."""
        self._capacity = header.get("capacity")
        shutdown = header.get("shutdown")
        self._shutdown = None if shutdown is None else (shutdown[0], shutdown[1])

    @property
    def due(self) -> bool:
        """Has enough come together to be judged?"""
        return self.online.held + len(self._stream) >= self._limit

    @property
    def failed(self) -> bool:
        """Was a violation found? Then there is nothing more to do."""
        return any(verdict.outcome is Outcome.FAIL for verdict in self.verdicts)

    def judge(self, *, end: bool = False) -> None:
        """Judge what has come so far, and drop what is settled.

        Raises:
            HistoryError: what was read is no history of a queue, or too much is unsettled.
        """
        held = len(self.online.witness()) - self.online.opened
        rows, lines = self.online.witness().operations[:held], self.online.lines()[:held]
        new = self._stream.advance(rows, lines, end=end)
        self._count(new.rows)
        self.online.feed(new.rows, new.now, opened=new.opened, lines=new.lines, opened_lines=new.opened_lines)
        history = self.history()
        beside = [
            check_integrity(history, drained=end and self._drained),
            check_timeliness(history, slice_ns=None),
        ]
        self.verdicts = tuple(self._summed(verdict) for verdict in beside)
        fifo = self.online.verdict()
        integrity, timely = self.verdicts
        self.verdicts = that_say_something(integrity, fifo, timely)
        if self.failed or end:
            return
        dropped = History(self.online.settle(), None, self._shutdown)
        for verdict in (check_integrity(dropped, drained=self._drained), check_timeliness(dropped, slice_ns=None)):
            self._counts[verdict.property].update(verdict.assertions)
        kept = self.online.witness().operations
        self._stream.forget(kept)
        self._limit = 2 * self.online.held + self._window
        if self._limit > self._rows_at_most:
            self._refuse(kept)

    def _count(self, rows: npt.NDArray[np.void]) -> None:
        """Those among new rows that only the order of all operations decides."""
        status = rows["status"]
        refused = (status == Status.FULL.value) | (status == Status.TIMEOUT.value)
        self._full += int(np.count_nonzero(refused & np.isin(rows["kind"], _WRITES)))
        untold = (status == Status.MISMATCH.value) & ((rows["flags"] & HEAD_UNTOLD) != 0)
        self._untold += int(np.count_nonzero(untold))

    @property
    def unbounded_full(self) -> int:
        """FULL of a queue whose capacity nobody told."""
        return self._full if self._capacity is None else 0

    def undecided(self) -> tuple[Verdict, ...]:
        """What the whole file would decide, and its stream does not."""
        if self.failed:
            return ()
        whole = "judge the whole file, without --stream"
        found = []
        if self._capacity is not None:
            question = f"{self._full:,} FULL, and whether all that was written fitted into {self._capacity:,}"
            found.append(Verdict.inconclusive("capacity", f"not decided in a stream: {question}; {whole}"))
        if self._untold:
            question = f"{self._untold:,} MISMATCH that do not tell the head"
            found.append(Verdict.inconclusive("mismatch", f"not fully decided in a stream: {question}; {whole}"))
        return tuple(found)

    def history(self) -> History:
        """What is held."""
        return History(self.online.witness().operations, None, self._shutdown)

    def _summed(self, verdict: Verdict) -> Verdict:
        assertions = dict(self._counts[verdict.property] + Counter(verdict.assertions))
        if verdict.outcome is Outcome.INCONCLUSIVE and any(assertions.values()):
            return Verdict.passed(verdict.property, verdict.reason, assertions)
        settled = self.online.settled
        reason = f"{verdict.reason}; {counted(settled, 'operation')} judged before" if settled else verdict.reason
        return Verdict(verdict.property, verdict.outcome, reason, verdict.rule, assertions, verdict.witness)

    def _refuse(self, kept: npt.NDArray[np.void]) -> None:
        """Raise what holds so much: mostly a call that never returned."""
        at = int(np.argmin(kept["invoked"]))
        line = self.online.lines()[at]
        unsettled = int(np.argmin(np.where(kept["returned"] == PENDING_RETURN, kept["invoked"], PENDING_RETURN)))
        waits = kept["returned"][unsettled] == PENDING_RETURN
        cause = (
            f"the call in line {self.online.lines()[unsettled]} is still open" if waits else f"as that of line {line}"
        )
        raise HistoryError(
            f"{self._name}:{line}: since this one, {counted(len(kept), 'operation')} not settled, {cause}; to hold "
            f"more takes more than the {in_words(self._rows_at_most * ROW_BYTES)} that may be used (--memory)"
        )


def judge_stream(
    file: str, specification: str | None = None, *, drained: bool = False, memory: int | None = None
) -> Judgement:
    """Judge one file as a FIFO queue while it is read; as soon as a violation is decided, the rest is not read.

    Args:
        file: JSON Lines, packed or not; ``-`` is standard input. drained, memory: as for `judge`.
        specification: FIFO, or None for what the header says, which must be that.

    Raises:
        HistoryError: the file was not understood, or is no history of a FIFO queue.
    """
    words, header = vocabulary(), dict[str, Any]()
    with open_stream(file, words, header, idle=_HASTE_S) as (name, pieces):
        stream = QueueStream(name, words)
        judge = StreamJudge(name, stream, drained=drained, memory=memory)
        next_time = time.monotonic() + _HASTE_S
        for events in pieces:
            if events is not None:
                named = specification or header.get("spec") or FIFO
                if named != FIFO:
                    raise HistoryError(f"{name}:1: the history is of {named!r}; --stream judges a {FIFO} alone")
                judge.begin(header)
                stream.add(events)
            start = time.monotonic()
            if judge.due or (len(stream) and start >= next_time):
                judge.judge()
                if judge.failed:
                    break
                done = time.monotonic()
                next_time = done + max(_HASTE_S, _WORK_SHARE * (done - start))
        else:
            refuse_nothing(name, words, header)
            judge.judge(end=True)
    return _judgement(file, judge, words.processes, words.values)


def _judgement(file: str, judge: StreamJudge, processes: Any, values: Any) -> Judgement:
    lines = judge.online.lines()
    held = judge.history()
    rows = held.operations.copy()
    info: dict[str, Any] = {"workers": list(processes)}
    names = name_messages(rows, values)
    info |= {"messages": names} if names else {}
    history = History(rows, None, held.shutdown, info, unit=1)
    told = {row for verdict in judge.verdicts if verdict.witness for row in verdict.witness.operations}
    operations = {row: f"line {lines[row]}: {history.describe(row)}" for row in sorted(told)}
    verdicts = tuple(_with_limits(verdict, judge) for verdict in judge.verdicts)
    return Judgement(file, FIFO, (*verdicts, *judge.undecided()), operations, history=history)


def _with_limits(verdict: Verdict, judge: StreamJudge) -> Verdict:
    """What a stream does not know."""
    if verdict.outcome is Outcome.FAIL or verdict.property == "timeliness":
        return verdict
    limits = "; messages told apart while unsettled" if judge.online.settled else ""
    if verdict.property == "fifo" and judge.unbounded_full:
        limits += f"; {judge.unbounded_full:,} FULL not judged: the capacity is unknown"
    return replace(verdict, reason=verdict.reason + limits)
