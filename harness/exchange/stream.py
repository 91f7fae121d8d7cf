"""The operations of a queue as they are told, by a history that never needs to be held as a whole.

Events come in order of time; then whatever is not known yet begins now or later, and a prefix of the file is a prefix
of the history. The prefix ends where time goes on: equal stamps may hide either order, so that what was read of the
last instant waits for the rest of it. Kept are, besides, what is open, and skips that returned with an entry id of
which nobody has said what message it is: its write may still be open, and says it when it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.exchange.columns import NO_VALUE, Bools, EventColumns, Ints, Names, Vocabulary
from harness.exchange.pairing import Pairing
from harness.exchange.to_history import ERRORS, QueueRows, check_distinct, fill_sizes, name_of, oldest_named
from harness.history import OPERATION_RECORD, PENDING_RETURN, HistoryError
from harness.operation import NO_ID, Kind, Status
from harness.resolve import named_by_id, resolve_by_reports, resolve_skips

__all__ = ["Progress", "QueueStream", "vocabulary"]

Rows = npt.NDArray[np.void]

_WRITES = [kind.value for kind in Kind if kind.writes]


class _KnownNames(Names):
    """Numbers for known names alone; all others are the first of them."""

    def __missing__(self, name: Any) -> int:
        return 0


def vocabulary() -> Vocabulary:
    """Words of a stream: errors that say nothing are not told apart, so that they take no memory."""
    return Vocabulary(errors=_KnownNames({name: number for number, name in enumerate(("", *ERRORS))}))


@dataclass(frozen=True)
class Progress:
    """What is new.

    Attributes:
        rows: operations that have returned, messages as they are numbered while reading (`name_of`).
        opened: all that are open, as they stand now. lines, opened_lines: of their invocations.
        now: ns; whatever is in neither is called then or later.
    """

    rows: Rows
    lines: Ints
    opened: Rows
    opened_lines: Ints
    now: int


class QueueStream:
    """Puts together the events of one queue."""

    def __init__(self, name: str, words: Vocabulary) -> None:
        self._name = name
        self._words = words
        self._pairing = Pairing(name, words)
        self._rows = QueueRows(name, words)
        self._now = 0
        self._instant: EventColumns | None = None
        self._lost = _Part.empty()
        self._unnamed = _Part.empty()

    def __len__(self) -> int:
        """Operations that were added since `advance`."""
        return len(self._rows)

    def add(self, events: EventColumns) -> None:
        """Take the events of one piece.

        Raises:
            HistoryError: the first event that breaks a rule, or is earlier than the one before, with file and line.
        """
        latest = np.maximum.accumulate(np.append(self._now, events.time))[:-1]
        early = np.flatnonzero(events.time < latest)
        if len(early):
            at = int(early[0])
            # a rule that is broken before it comes first
            self.add(events.take(np.arange(at)))
            self._end_instant()
            raise HistoryError(
                f"{self._name}:{events.line[at]}: time runs backwards: {events.time[at]} after {latest[at]}; the "
                "events of a stream come in order of time (without --stream, in order of time within each process)"
            )
        if not len(events):
            return
        events = events if self._instant is None else self._instant.followed_by(events)
        self._now = int(events.time[-1])
        past = int(np.searchsorted(events.time, self._now, "left"))
        self._instant = events.take(np.arange(past, len(events)))
        self._rows.add(self._pairing.add(events.take(np.arange(past))))

    def _end_instant(self) -> None:
        if self._instant is not None:
            self._rows.add(self._pairing.add(self._instant))
            self._instant = None

    def advance(self, held: Rows, held_lines: Ints, *, end: bool = False) -> Progress:
        """What is new since the last time.

        Args:
            held: what came out of here and is still remembered. end: nothing more is to come.

        Raises:
            HistoryError: two writes that are remembered or new carry one value.
        """
        if end:
            self._end_instant()
        new = _Part(*self._rows.take())
        pending = new.rows["status"] == Status.PENDING.value
        # a peek that never returned says nothing, and did nothing
        lost = new.where(pending & (new.rows["kind"] != Kind.PEEK.value))
        self._lost = self._lost.followed_by(lost)
        opened = self._lost.followed_by(self._opened())
        named = self._named(held, self._unnamed.followed_by(new.where(~pending)), opened, end)
        skips = _Part(self._unnamed.rows.copy(), self._unnamed.lines, self._unnamed.sized)
        # one whose message nobody has named yet may have removed, or seen, anything
        skips.rows["status"], skips.rows["returned"] = Status.PENDING, PENDING_RETURN
        skips.rows["value"] = 0
        skips.rows["kind"][skips.rows["target"] == NO_ID] = Kind.SKIP_FORCE.value
        opened = opened.followed_by(skips)
        everything = np.concatenate([held, named.rows, opened.rows])
        lines = np.concatenate([held_lines, named.lines, opened.lines])
        check_distinct(
            everything, lambda row: f"{self._name}:{lines[row]}", lambda value: name_of(value, self._words.values)
        )
        for part in (named, opened):  # of a batch that is open, some messages may have been told
            silent = ~part.sized & ~np.isin(part.rows["kind"], _WRITES)
            fill_sizes(part.rows, np.flatnonzero(silent), everything)
        return Progress(named.rows, named.lines, opened.rows, opened.lines, self._now)

    def forget(self, held: Rows) -> None:
        """Names of messages are dropped that neither these rows nor what is open has."""
        values = self._words.values
        parts = (held, self._lost.rows, self._unnamed.rows)
        oldest = min(oldest_named(rows, values) for rows in parts)
        for events in (self._pairing.open, self._instant):
            if events is not None:
                told = events.value[(events.value < 0) & (events.value != NO_VALUE)]
                oldest = -1 - int(told.max(initial=-1 - oldest))
        values.forget(oldest)

    def _opened(self) -> _Part:
        rows = QueueRows(self._name, self._words)
        rows.add(self._pairing.finish())
        return _Part(*rows.take())

    def _named(self, held: Rows, returned: _Part, opened: _Part, end: bool) -> _Part:
        """What returned, skips with the messages of their entries; those of which these may still be told stay back."""
        rows = returned.rows
        by_id = named_by_id(rows)
        if not by_id.any():
            self._unnamed = _Part.empty()
            return returned
        everything = np.concatenate([held, rows, opened.rows])
        place = len(held) + np.flatnonzero(by_id)
        if end:
            resolve_skips(everything)
            unnamed = np.zeros(len(rows), np.bool_)
        else:
            missing, _ = resolve_by_reports(everything)
            writes = everything[np.isin(everything["kind"], _WRITES)]
            silent = writes["invoked"][
                (writes["status"] == Status.PENDING.value)
                | ((writes["status"] == Status.OK.value) & (writes["id"] == NO_ID))
            ]
            may_be_named = missing[everything["returned"][missing] >= silent.min(initial=PENDING_RETURN)]
            unnamed = np.isin(len(held) + np.arange(len(rows)), may_be_named)
        for name in ("value", "size"):
            rows[name][by_id] = everything[name][place]
        self._unnamed = returned.where(unnamed)
        return returned.where(~unnamed)


@dataclass(frozen=True)
class _Part:
    """Rows, the lines of their invocations, and whether they tell a size."""

    rows: Rows
    lines: Ints
    sized: Bools

    @classmethod
    def empty(cls) -> _Part:
        return cls(np.zeros(0, OPERATION_RECORD), np.zeros(0, np.int64), np.zeros(0, np.bool_))

    def where(self, mask: Bools) -> _Part:
        return _Part(self.rows[mask], self.lines[mask], self.sized[mask])

    def followed_by(self, other: _Part) -> _Part:
        return _Part(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.lines, other.lines]),
            np.concatenate([self.sized, other.sized]),
        )
