"""Calls of a queue as the harness's own History.

Messages of a foreign history may be strings, and may be accounted in any unit: they are numbered, and costs become
sizes that this channel would account alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.exchange.columns import ABSENT, NO_VALUE, Bools, Ints, Values, Vocabulary
from harness.exchange.pairing import INFO, OK, CallColumns
from harness.history import HEAD_UNTOLD, INTACT, OPERATION_RECORD, OWN_HEAD, History, HistoryError
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status
from harness.resolve import UNKNOWN_VALUE, resolve_skips
from harness.words import shown

__all__ = [
    "ERRORS",
    "IMPOSSIBLE",
    "UNIT",
    "QueueRows",
    "check_distinct",
    "fill_sizes",
    "history_of",
    "name_messages",
    "name_of",
    "oldest_named",
]

UNIT = 16
"""Accounted bytes that stand for one unit of a foreign capacity."""

_KINDS = {kind.name.lower(): kind for kind in Kind if kind.runs}
_ERRORS = {status.name.lower(): status for status in Status if status not in (Status.OK, Status.PENDING)}
ERRORS = tuple(_ERRORS)
"""Errors that say something; all others are one."""
_NO_EFFECT = Status.RETRY_LIMIT
_WAITS = (Kind.READ, Kind.TRY_READ, Kind.READ_MANY)


def _fails_with(kind: Kind, status: Status) -> bool:
    """Can this kind of operation end so?"""
    if status is Status.FULL:
        return kind.writes
    if status is Status.EMPTY:
        return not kind.writes
    if status is Status.TIMEOUT:
        return kind.writes or kind in _WAITS
    return status is not Status.MISMATCH or kind is Kind.SKIP


IMPOSSIBLE = np.array([[not _fails_with(kind, status) for status in Status] for kind in Kind])
"""By kind and status: an answer that the operation cannot have."""
_WRITES = [kind.value for kind in Kind if kind.writes]
_SKIPS = [Kind.SKIP.value, Kind.SKIP_FORCE.value]
_EFFECTIVE = [Status.OK.value, Status.PENDING.value]
_NAMED = 2**64 - 2
"""While a file is read, the value of the k-th message that is no small integer is this less k."""
_MOST_WORKERS = 2**16
_MOST_COST = 2**32 // UNIT - 1
_SLEPT_MOST = 2**32 - 1


def history_of(name: str, pieces: Iterable[CallColumns], words: Vocabulary, header: Mapping[str, Any]) -> History:
    """The operations of all pieces; `words` and `header` are read when the pieces are through.

    Raises:
        HistoryError: an operation is none of a queue, or two writes carry the same value.
    """
    rows = QueueRows(name, words)
    for piece in pieces:
        rows.add(piece)
    return rows.history(header)


class QueueRows:
    """Rows of a History that grow with the pieces: 85 bytes an operation, and no more than twice that at the end."""

    def __init__(self, name: str, words: Vocabulary) -> None:
        self._name = name
        self._words = words
        self._count = 0
        self._known_messages = 0
        self._no_messages: list[int] = []
        self._rows = np.zeros(1024, OPERATION_RECORD)
        self._lines = np.zeros(1024, np.int64)
        self._costs = np.zeros(1024, np.uint32)
        self._sized = np.zeros(1024, np.bool_)

    def __len__(self) -> int:
        return self._count

    @property
    def lines(self) -> Ints:
        """Line of the invocation of every row."""
        return self._lines[: self._count]

    def add(self, calls: CallColumns) -> None:
        """Append the calls of one piece."""
        begin, self._count = self._count, self._count + len(calls)
        self._reserve(self._count)
        rows = self._rows[begin : self._count]
        self._lines[begin : self._count] = calls.line

        kind = self._kinds(calls)
        writes, skips = np.isin(kind, _WRITES), np.isin(kind, _SKIPS)
        status = self._statuses(calls)
        entry, target = calls.number("id"), calls.number("target")
        untold = (status == Status.MISMATCH) & (calls.result == NO_VALUE) & (entry == ABSENT)
        named = (calls.result == NO_VALUE) & (kind == Kind.SKIP) & np.isin(status, _EFFECTIVE)
        message = np.where(writes | named | untold, calls.argument, calls.result)
        mute = message == NO_VALUE
        by_id = skips & ((entry != ABSENT) | (target != ABSENT))
        self._refuse(calls, writes & mute, lambda at: "a write needs its value at the invocation")
        self._refuse(
            calls,
            (status == Status.OK) & mute & ~by_id,
            lambda at: f"the {self._f(calls, at)} called here is ok but says no value; what came out?",
        )
        self._refuse(
            calls,
            writes & (status == Status.OK) & (calls.result != NO_VALUE) & (calls.result != calls.argument),
            lambda at: f"a write of {self._value(calls.argument, at)} ends with value {self._value(calls.result, at)}",
        )
        self._refuse(
            calls,
            (status == Status.TIMEOUT) & (calls.number("timeout") == ABSENT),
            lambda at: 'a time-out needs "timeout" (ns) at the invocation',
        )
        self._refuse(
            calls,
            IMPOSSIBLE[kind, status],
            lambda at: f"{self._f(calls, at)} fails with {Status(int(status[at])).name.lower()}, which it cannot",
        )
        asked = (kind == Kind.SKIP) & (calls.argument != NO_VALUE) & (calls.result != NO_VALUE)
        self._refuse(
            calls,
            asked & (status == Status.OK) & (calls.result != calls.argument),
            lambda at: f"a skip of {self._value(calls.argument, at)} removed {self._value(calls.result, at)}",
        )
        own = asked & (status == Status.MISMATCH) & (calls.result == calls.argument)
        self._check_messages(calls, message)

        rows["kind"], rows["status"] = kind, status
        rows["invoked"], rows["returned"] = calls.invoked, calls.returned
        rows["value"] = np.where(untold & mute & (target == ABSENT), np.uint64(UNKNOWN_VALUE), _as_unsigned(message))
        rows["id"] = np.where(entry == ABSENT, np.uint64(NO_ID), entry.astype(np.uint64))
        rows["target"] = np.where(target == ABSENT, np.uint64(NO_ID), target.astype(np.uint64))
        rows["timeout"] = np.where(calls.number("timeout") == ABSENT, NO_TIMEOUT, calls.number("timeout"))
        rows["worker"] = 0
        for name in ("size", "retries", "batch"):
            self._refuse(
                calls,
                calls.number(name) >= 2**32,
                lambda at, name=name: f"{name} {calls.number(name)[at]} is larger than this program holds",  # type: ignore[misc]
            )
            rows[name] = np.maximum(calls.number(name), 0)
        rows["slept"] = np.clip(calls.number("slept"), 0, _SLEPT_MOST)
        rows["flags"] = np.where(calls.intact, INTACT, 0) | np.where(own, OWN_HEAD, 0)
        rows["flags"] |= np.where(untold, HEAD_UNTOLD, 0).astype(np.uint8)
        self._take_costs(calls, slice(begin, self._count))
        self._take_workers(calls, rows)

    def take(self) -> tuple[npt.NDArray[np.void], Ints, Bools]:
        """What was added so far, to begin anew: rows as they were read, their lines, and whether they tell a size."""
        count, self._count = self._count, 0
        return self._rows[:count].copy(), self._lines[:count].copy(), self._sized[:count].copy()

    def history(self, header: Mapping[str, Any]) -> History:
        """All rows, in order of invocation."""
        self._reserve(self._count, exactly=True)
        self._sort()
        rows = self._rows
        info = dict(header.get("info") or {})
        workers = self._name_workers()
        if workers:
            info["workers"] = workers
        names = name_messages(rows, self._words.values)
        if names:
            info["messages"] = names
        check_distinct(rows, lambda row: f"{self._name}:{self._lines[row]}", names.__getitem__ if names else int)
        resolve_skips(rows)
        capacity, unit = self._account(header.get("capacity"))
        shutdown = header.get("shutdown")
        return History(rows, capacity, None if shutdown is None else (shutdown[0], shutdown[1]), info, unit)

    def _reserve(self, count: int, *, exactly: bool = False) -> None:
        """Room for that many rows: realloc moves no bytes of a large block."""
        if exactly or count > len(self._rows):
            room = count if exactly else max(count, len(self._rows) * 3 // 2)
            for column in (self._rows, self._lines, self._costs, self._sized):
                column.resize(room, refcheck=False)

    def _refuse(self, calls: CallColumns, wrong: Bools, complaint: Callable[[int], str]) -> None:
        if wrong.any():
            at = int(np.argmax(wrong))
            raise HistoryError(f"{self._name}:{calls.line[at]}: {complaint(at)}")

    def _f(self, calls: CallColumns, at: int) -> str:
        return str(list(self._words.functions)[int(calls.f[at])])

    def _value(self, column: Ints, at: int) -> str:
        return shown(self._words.values.decode(int(column[at])))

    def _kinds(self, calls: CallColumns) -> npt.NDArray[np.uint8]:
        none = len(Kind)
        table = np.array([_KINDS.get(name, none) for name in self._words.functions], np.uint8)
        kind = table[calls.f]
        known = ", ".join(_KINDS)
        self._refuse(
            calls,
            kind == none,
            lambda at: f"f {self._f(calls, at)!r} is none of a queue: {known}; of another system? --spec",
        )
        # a skip that never returned, and does not say which message it meant, may have removed any
        nameless = (kind == Kind.SKIP) & (calls.number("target") == ABSENT) & (calls.argument == NO_VALUE)
        kind[nameless & (calls.type == INFO)] = Kind.SKIP_FORCE
        return kind

    def _statuses(self, calls: CallColumns) -> npt.NDArray[np.uint8]:
        table = np.array([_ERRORS.get(name, _NO_EFFECT) for name in self._words.errors], np.uint8)
        by_type = {OK: Status.OK, INFO: Status.PENDING}
        return np.select([calls.type == kind for kind in by_type], list(by_type.values()), table[calls.error]).astype(
            np.uint8
        )

    def _check_messages(self, calls: CallColumns, message: Ints) -> None:
        others = self._words.values.others
        first = self._words.values.first
        self._no_messages = [code for code in self._no_messages if code <= -1 - first]
        for number in range(max(self._known_messages, first), first + len(others)):
            if not isinstance(others[number - first], int | str) or isinstance(others[number - first], bool):
                self._no_messages.append(-1 - number)
        self._known_messages = first + len(others)
        if self._no_messages:
            self._refuse(
                calls,
                np.isin(message, self._no_messages),
                lambda at: f"value {self._value(message, at)}; a message is an integer or a string",
            )

    def _take_workers(self, calls: CallColumns, rows: npt.NDArray[np.void]) -> None:
        many = calls.process >= _MOST_WORKERS
        self._refuse(calls, many, lambda at: f"more than {_MOST_WORKERS:,} processes; no more are read")
        rows["worker"] = calls.process

    def _take_costs(self, calls: CallColumns, where: slice) -> None:
        cost, writes = calls.number("cost"), np.isin(self._rows["kind"][where], _WRITES)
        self._refuse(calls, writes & (cost == 0), lambda at: "cost 0; expected at least 1")
        self._refuse(calls, cost > 2**32 - 16, lambda at: f"cost {cost[at]} is beyond what this program accounts")
        self._costs[where] = np.where(cost == ABSENT, 1, cost)
        self._sized[where] = calls.number("size") != ABSENT

    def _sort(self) -> None:
        """By time of invocation, then by line: column after column, for a copy of all would double the memory."""
        invoked = self._rows["invoked"]
        if not (np.diff(invoked) < 0).any() and not (np.diff(self._lines) < 0).any():
            return
        order = np.lexsort((self._lines, invoked))
        for name in OPERATION_RECORD.names or ():
            self._rows[name] = self._rows[name][order]
        for column in (self._lines, self._costs, self._sized):
            column[:] = column[order]

    def _name_workers(self) -> list[Any]:
        """Number the workers by their names, where all are small integers; else the names by number."""
        workers = list(self._words.processes)
        if not all(isinstance(name, int) and 0 <= name < _MOST_WORKERS for name in workers):
            return workers
        self._rows["worker"] = np.array([*workers, 0], np.uint16)[self._rows["worker"]]
        return []

    def _account(self, capacity: int | None) -> tuple[int | None, int]:
        """Make sizes and capacity one unit, and tell it; reads that tell no size get that of their write."""
        unit = 1
        rows, costs, told = self._rows, self._costs, self._sized
        writes = np.isin(rows["kind"], _WRITES)
        accounted = (rows["size"].astype(np.int64) + 8 + UNIT - 1) // UNIT * UNIT
        if capacity is not None and not (told & (costs == accounted))[writes].all():
            beyond = np.flatnonzero(writes & (costs > _MOST_COST))
            if len(beyond):
                line, cost = self._lines[beyond[0]], costs[beyond[0]]
                raise HistoryError(f"{self._name}:{line}: cost {cost} is beyond what this program accounts")
            rows["size"][writes] = UNIT * costs[writes].astype(np.int64) - 8
            told[~writes] = False
            unit = UNIT
            capacity *= unit
        fill_sizes(rows, np.flatnonzero(~writes & ~told), rows)
        return capacity, unit


def fill_sizes(rows: npt.NDArray[np.void], silent: npt.NDArray[np.intp], written: npt.NDArray[np.void]) -> None:
    """Rows that tell no size get, in place, that of their write among `written`."""
    effective = np.flatnonzero(np.isin(written["kind"], _WRITES) & np.isin(written["status"], _EFFECTIVE))
    if len(effective) and len(silent):
        effective = effective[np.argsort(written["value"][effective])]
        values = written["value"][effective]
        place = np.minimum(np.searchsorted(values, rows["value"][silent]), len(effective) - 1)
        rows["size"][silent] = written["size"][effective[place]]


def name_messages(rows: npt.NDArray[np.void], values: Values) -> list[Any]:
    """Number the messages, if any is named otherwise than by a small integer, in place; their names."""
    known = rows["value"] != UNKNOWN_VALUE
    if not (rows["value"][known] >= 2**63).any():
        return []
    distinct, number = np.unique(rows["value"][known], return_inverse=True)
    rows["value"][known] = number
    return [name_of(value, values) for value in distinct.tolist()]


def name_of(value: int, values: Values) -> Any:
    """What the value of a row that is being read stands for; UNKNOWN_VALUE for itself."""
    return value if value < 2**63 or value == UNKNOWN_VALUE else values.decode(value - _NAMED - 1)


def oldest_named(rows: npt.NDArray[np.void], values: Values) -> int:
    """How many of the values that are no small integers came before all that these rows have."""
    named = rows["value"][(rows["value"] >= 2**63) & (rows["value"] != UNKNOWN_VALUE)]
    return _NAMED - int(named.max()) if len(named) else values.first + len(values.others)


def _as_unsigned(message: Ints) -> npt.NDArray[np.uint64]:
    """Codes of `Values` as values of a History; 0 for none."""
    named = np.uint64(_NAMED) - (-1 - message).astype(np.uint64)
    plain = np.where(message >= 0, message.astype(np.uint64), named)
    return np.where(message == NO_VALUE, np.uint64(0), plain)


def check_distinct(rows: npt.NDArray[np.void], where: Callable[[int], str], name: Callable[[int], Any] = int) -> None:
    """No value is written twice.

    Raises:
        HistoryError: one is; `where` says where a row stands, `name` what its number stands for.
    """
    effective = np.flatnonzero(np.isin(rows["kind"], _WRITES) & np.isin(rows["status"], _EFFECTIVE))
    values = rows["value"][effective]
    order = np.argsort(values, kind="stable")
    same = np.flatnonzero(values[order][1:] == values[order][:-1])
    if len(same):
        first, second = (int(effective[order[same[0] + step]]) for step in (0, 1))
        value = name(int(rows["value"][second]))
        raise HistoryError(
            f"{where(second)}: value {value!r} was already written at {where(first)}; "
            "a FIFO history needs distinct values"
        )
