"""The FIFO decision as a stream: an endless run is judged while it runs, in bounded memory.

Linearizability is closed under prefixes, so a violation found is final. What is behind every operation that is still
open can no longer be part of one with anything to come, and is dropped once it was judged together with the rest:

Let the *horizon* be the earliest call of an operation that is open or yet to come, and the *edge* the earliest call of
one that returns at or after the horizon. A message all of whose operations returned before the edge came out before
anything that is still to come out, and overlaps nobody whose result is open. So the rules of ``harness.checks.fifo``
on it and another message were decided by what is held now. The one exception is a message that was surely at the head
while another one, which stays, was met there: it says more exactly when that was, and stays with it.

An EMPTY that returned before the edge is decided: who may yet be met at the head came out, if at all, after that. One
that did not return by then stays, and with it every message that was inside during it: together with one that is met at
the head later they may leave no instant for it. So does a message beside a FULL, or a MISMATCH that does not tell the
head: it may be what they met.

Memory follows what overlaps the oldest open operation, not the length of the run; an operation that never returns
therefore holds all that comes after it. FULL is decided among what is held at the same time: soundly over all.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from harness.checks.fifo import assertions_of, check_fifo
from harness.checks.heads import heads_of
from harness.checks.model import NOT, Bools, Ints, model_of
from harness.history import OPERATION_RECORD, PENDING_RETURN, History, HistoryError, operation_record
from harness.operation import Kind, Status
from harness.verdict import Outcome, Verdict
from harness.words import counted

__all__ = ["OnlineFifo"]

Rows = npt.NDArray[np.void]

_WINDOW = 1 << 16
_NOTHING: Rows = np.zeros(0, OPERATION_RECORD)


class OnlineFifo:
    """Judges operations as they come: by event (`invoke`, `complete`) or as rows that are complete (`feed`).

    An operation that failed in a way nobody understands is never completed: it stays open.
    """

    def __init__(self, capacity: int | None = None, *, window: int | None = _WINDOW) -> None:
        """
        Args:
            capacity: accounted bytes of the queue; None: unbounded, or unknown. window: rows to collect before they are
                judged; memory is about three times as many, or what overlaps the oldest open operation. None: they are
                judged when `settle` is called.

        Raises:
            ValueError: the window is not positive.
        """
        if window is not None and window < 1:
            raise ValueError(f"a window has at least one row; got {window}")
        self._capacity = capacity
        self._window = window
        self._limit = window
        self._kept = _NOTHING
        self._kept_lines = np.zeros(0, np.int64)
        self._fresh: list[tuple[Rows, Ints]] = []
        self._count = 0
        self._opened = (_NOTHING, np.zeros(0, np.int64))
        self._assertions: Counter[str] = Counter()
        self._failed: tuple[History, Ints] | None = None
        self._open: dict[int, Rows] = {}
        self._calls = 0
        self._now = int(np.iinfo(np.int64).min)
        self._settled = 0
        self._most_held = 0
        self._failure: Verdict | None = None
        self._judged: Verdict | None = None

    @property
    def held(self) -> int:
        """Operations in memory."""
        return len(self._kept) + self._count + len(self._open) + len(self._opened[0])

    @property
    def most_held(self) -> int:
        """The most that ever were."""
        return max(self._most_held, self.held)

    @property
    def opened(self) -> int:
        """Operations that are open: the last rows of `witness`."""
        return len(self._open) + len(self._opened[0])

    @property
    def settled(self) -> int:
        """Operations that were judged and dropped."""
        return self._settled

    def invoke(self, kind: Kind, time: int, value: int | None = None, **fields: int) -> int:
        """An operation is called.

        Args:
            kind: of operation. time: ns. value: the message that a write writes, or a skip means. fields: as in
                OPERATION_RECORD.

        Returns:
            What `complete` takes.

        Raises:
            HistoryError: time ran backwards.
        """
        self._advance(time)
        self._calls += 1
        self._open[self._calls] = np.array(
            [operation_record(kind, Status.PENDING, time, PENDING_RETURN, value, **fields)], OPERATION_RECORD
        )
        return self._calls

    def complete(self, call: int, status: Status, time: int, **fields: int) -> None:
        """An operation returns.

        Args:
            call: what `invoke` returned. status: what it answered. time: ns. fields: that only the answer tells, e.g.
                ``value`` of a read.

        Raises:
            HistoryError: it is not open, or time ran backwards.
        """
        if call not in self._open:
            raise HistoryError(f"operation {call} is not open: it was never called, or has returned already")
        if status is Status.PENDING:
            raise HistoryError("an operation that nobody knows the end of is left open, not completed")
        self._advance(time)
        row = self._open.pop(call)
        row["status"], row["returned"] = status, time
        for name, content in fields.items():
            row[name] = content
        self._add(row, _no_lines(row))

    def feed(
        self,
        rows: Rows,
        horizon: int,
        *,
        opened: Rows = _NOTHING,
        lines: Ints | None = None,
        opened_lines: Ints | None = None,
    ) -> None:
        """Operations that have returned.

        Args:
            rows: of OPERATION_RECORD, in any order. horizon: ns; every operation that neither was fed nor is open was,
                or will be, called then or later. opened: all that are open, as they stand at the horizon; they are fed
                when they have returned. lines, opened_lines: where either stand in a file.

        Raises:
            HistoryError: an operation is pending, or was called before the horizon given last and not open then.
        """
        if rows.dtype != OPERATION_RECORD or opened.dtype != OPERATION_RECORD:
            raise HistoryError(f"rows have dtype {rows.dtype} and {opened.dtype}; expected OPERATION_RECORD")
        called = np.concatenate([rows["invoked"], opened["invoked"]])
        early = called[called < self._now]
        if len(early) and not np.isin(early, self._opened[0]["invoked"]).all():
            raise HistoryError(f"an operation was called before {self._now} ns, the horizon that was promised")
        if (rows["status"] == Status.PENDING.value).any():
            raise HistoryError("only operations that have returned are fed; what is open is invoked")
        self._advance(horizon)
        if self._failure is None:
            self._opened = (opened, _no_lines(opened) if opened_lines is None else opened_lines)
        self._add(rows, _no_lines(rows) if lines is None else lines)

    def verdict(self) -> Verdict:
        """What holds of all operations so far; those that are open may have had their effect or not."""
        if self._failure is None and self._judged is None:
            history = self._history()
            self._judged = self._summed(check_fifo(history))
            if self._judged.outcome is Outcome.FAIL:
                self._failed, self._failure = (history, self.lines()), self._judged
        verdict = self._failure or self._judged
        assert verdict is not None
        return verdict

    def witness(self) -> History:
        """What is held: the rows that the witness of a failed verdict names are its rows."""
        return self._history() if self._failed is None else self._failed[0]

    def lines(self) -> Ints:
        """Of the rows of `witness`; 0 where none was told."""
        if self._failed is not None:
            return self._failed[1]
        self._held_rows()
        return np.concatenate([self._kept_lines, self._opened[1], np.zeros(len(self._open), np.int64)])

    def settle(self) -> Rows:
        """Judge what is held, and drop what is settled; what was dropped."""
        self._most_held = self.most_held
        if self.verdict().outcome is Outcome.FAIL:
            return _NOTHING
        rows = self._held_rows()
        settled = self._settled_rows()
        dropped: Rows = rows[settled]
        self._kept, self._kept_lines = rows[~settled], self._kept_lines[~settled]
        self._settled += len(dropped)
        self._judged = None
        self._assertions.update(assertions_of(model_of(History(dropped, self._capacity))))
        if self._window is not None:
            self._limit = 2 * len(self._kept) + self._window
        return dropped

    def _advance(self, time: int) -> None:
        if time < self._now:
            raise HistoryError(f"time ran backwards: {time} ns after {self._now} ns")
        self._now = time
        self._judged = None

    def _add(self, rows: Rows, lines: Ints) -> None:
        if self._failure is not None:
            return
        self._fresh.append((rows, lines))
        self._count += len(rows)
        if self._limit is not None and len(self._kept) + self._count >= self._limit:
            self.settle()

    def _held_rows(self) -> Rows:
        if self._fresh:
            self._kept = np.concatenate([self._kept, *(rows for rows, _ in self._fresh)])
            self._kept_lines = np.concatenate([self._kept_lines, *(lines for _, lines in self._fresh)])
            self._fresh, self._count = [], 0
        return self._kept

    def _history(self) -> History:
        return History(np.concatenate([self._held_rows(), self._opened[0], *self._open.values()]), self._capacity)

    def _summed(self, verdict: Verdict) -> Verdict:
        """With what was dropped after it was judged."""
        reason = (
            f"{verdict.reason}; {counted(self._settled, 'operation')} judged before"
            if self._settled
            else verdict.reason
        )
        assertions = dict(self._assertions + Counter(verdict.assertions))
        if (
            verdict.outcome is Outcome.INCONCLUSIVE
            and not any(verdict.assertions.values())
            and any(assertions.values())
        ):
            return Verdict.passed(verdict.property, reason, assertions)
        return Verdict(verdict.property, verdict.outcome, reason, verdict.rule, assertions, verdict.witness)

    def _settled_rows(self) -> Bools:
        rows = self._held_rows()
        waiting = np.concatenate([self._opened[0], *self._open.values()])["invoked"]
        horizon = int(waiting.min(initial=self._now))
        late = rows["returned"] >= horizon
        edge = min(horizon, int(rows["invoked"][late].min(initial=horizon)))

        model = model_of(History(rows, self._capacity))
        undecided = [seen.inv[seen.ret >= edge] for seen in (model.empty, model.others, model.full)]
        since = int(np.concatenate(undecided).min(initial=edge))
        over = (model.write_row != NOT) & (model.removal_row != NOT)
        over &= (model.write_ret < since) & (model.removal_ret < since)
        over[model.peeks.value[model.peeks.ret >= since]] = False
        heads = heads_of(model)
        stays = ~over[heads.value]
        calls, returns = np.sort(heads.inv[stays]), np.sort(heads.ret[stays])
        # how many of those that stay met the head while this one was there
        there = np.searchsorted(calls, heads.last_inv, "left") - np.searchsorted(returns, heads.first_ret, "right")
        over &= (heads.first_ret >= heads.last_inv) | (there <= 0)

        settled: Bools = rows["returned"] < edge  # whatever says nothing of a message
        told = np.flatnonzero(rows["status"] == Status.CLOSED.value)
        settled[told[np.argsort(rows["returned"][told])[:1]]] = False  # no write may begin after the first CLOSED
        bound = np.concatenate([model.write_row, model.removal_row, model.peeks.row])
        value = np.concatenate([np.arange(model.count), np.arange(model.count), model.peeks.value])
        known = bound != NOT
        settled[bound[known]] = over[value[known]]
        return settled


def _no_lines(rows: Rows) -> Ints:
    return np.zeros(len(rows), np.int64)
