"""Calls: invocations and completions of a history, put together piece by piece, with every rule of the format enforced.

A *session* of a process is a stretch of its events from no open call to no open call: one call, or the messages of one
batch. Within a session the k-th completion belongs to the k-th invocation, unless values say otherwise; so pairing is
a stable sort by process and a running count of open calls. What is open at the end of a piece waits for the next one:
memory is that of the piece, however long the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.exchange.columns import ABSENT, NO_VALUE, Bools, EventColumns, Ints, Vocabulary
from harness.exchange.events import NUMBERS, TYPES
from harness.history import PENDING_RETURN, HistoryError

__all__ = ["FAIL", "INFO", "INVOKE", "OK", "CallColumns", "Pairing"]

INVOKE, OK, FAIL, INFO = range(len(TYPES))
_MOST_BATCHES = 2**32 - 1
"""After as many the numbers of batches begin again; two of one number are far apart."""


@dataclass(frozen=True)
class CallColumns:
    """Calls in the order of their invocations in the file; the arrays run in parallel, numbers are a Vocabulary's.

    Attributes:
        process, f, error: names. type: OK, FAIL, or INFO (pending). invoked, returned: ns; PENDING_RETURN.
        argument, result: values of the invocation and of the completion. line: of the invocation.
        intact: of the payload. numbers: the other fields; ``"target"`` is the entry id that the invocation asks for,
            ``"id"`` the one that the completion tells; the batches are numbered anew, from 1.
    """

    process: Ints
    f: Ints
    error: Ints
    type: Ints
    invoked: Ints
    returned: Ints
    argument: Ints
    result: Ints
    line: Ints
    intact: Bools
    numbers: dict[str, Ints]

    def __len__(self) -> int:
        return len(self.process)

    def number(self, name: str) -> Ints:
        """A column of `numbers`, ABSENT where nothing was told."""
        told = self.numbers.get(name)
        return np.full(len(self), ABSENT, np.int64) if told is None else told


class Pairing:
    """Pairs the events of one history."""

    def __init__(self, name: str, words: Vocabulary) -> None:
        self._name = name
        self._words = words
        self._open: EventColumns | None = None
        self._clock = np.zeros(0, np.int64)
        self._retired = np.zeros(0, np.bool_)
        self._batches = 0

    def add(self, new: EventColumns) -> CallColumns:
        """The calls that are complete with these events.

        Raises:
            HistoryError: the first event that breaks a rule, with file and line.
        """
        waiting = 0 if self._open is None else len(self._open)
        events = new if self._open is None else self._open.followed_by(new)
        self._grow(len(self._words.processes))
        order = np.argsort(events.process, kind="stable")
        process, begins = events.process[order], events.type[order] == INVOKE
        first = np.ones(len(order), np.bool_)
        first[1:] = process[1:] != process[:-1]
        step = np.where(begins, 1, -1)
        running = np.cumsum(step)
        depth = running - (running - step)[first][np.cumsum(first) - 1]
        starts = begins & (depth == 1)
        session = np.cumsum(starts) - 1
        self._check(events, order, waiting, first, begins, depth, starts, session)

        complete = np.bincount(session[depth == 0], minlength=int(starts.sum())) > 0
        closed = complete[session] if len(session) else np.zeros(0, np.bool_)
        invocations, completions = order[begins & closed], order[~begins & closed]
        pair_session = session[begins & closed]
        self._match_by_value(events, invocations, completions, pair_session)
        self._open = events.take(np.sort(order[~closed]))
        self._clock[events.process] = events.time  # the last of each process wins
        self._retired[events.process[events.type == INFO]] = True
        return self._calls(events, invocations, completions, pair_session)

    @property
    def open(self) -> EventColumns | None:
        """The events of the sessions that are not complete."""
        return self._open

    def finish(self) -> CallColumns:
        """The calls of the sessions that are not complete, as they stand now: what nothing completed is pending."""
        empty = np.zeros(0, np.int64)
        if self._open is None:
            none = np.zeros(0, np.bool_)
            return CallColumns(*(empty,) * 9, none, {})
        events = self._open
        invocations: list[int] = []
        completions: list[int] = []
        sessions: list[int] = []
        for number, process in enumerate(np.unique(events.process).tolist()):
            pairs = _walk(events, np.flatnonzero(events.process == process).tolist())
            invocations += [begun for begun, _ in pairs]
            completions += [done for _, done in pairs]
            sessions += [number] * len(pairs)
        return self._calls(
            events, np.array(invocations, np.int64), np.array(completions, np.int64), np.array(sessions, np.int64)
        )

    def _grow(self, processes: int) -> None:
        more = processes - len(self._clock)
        self._clock = np.concatenate([self._clock, np.zeros(more, np.int64)])
        self._retired = np.concatenate([self._retired, np.zeros(more, np.bool_)])

    def _check(
        self,
        events: EventColumns,
        order: Ints,
        waiting: int,
        first: Bools,
        begins: Bools,
        depth: Ints,
        starts: Bools,
        session: Ints,
    ) -> None:
        """Raise the complaint about the first event that breaks a rule; `order` sorts by process, the rest follows it.

        One broken rule may break others further on in the same process, but never earlier ones.
        """
        time, process, is_new = events.time[order], events.process[order], order >= waiting
        before = np.zeros(len(order), np.int64)
        before[1:] = time[:-1]
        before = np.where(first, np.where(is_new, self._clock[process], 0), before)
        is_info = events.type[order] == INFO
        infos = np.cumsum(is_info) - is_info
        ended = (infos - infos[first][np.cumsum(first) - 1] > 0) | self._retired[process]
        batch = events.number("batch")[order]
        begun = np.flatnonzero(starts)
        opener = begun[session] if len(begun) else np.zeros(len(order), np.int64)
        rules = {
            "backwards": is_new & (time < before),
            "no call": ~begins & (depth < 0),
            "open": begins & (depth > 1) & ((batch == ABSENT) | (batch != batch[opener])),
            "retired": starts & is_new & ended,
            "other": (depth >= 0) & (events.f[order] != events.f[order][opener]),
        }
        broken = [
            (int(order[place]), rule, int(place)) for rule, mask in rules.items() for place in _first(mask, order)
        ]
        if not broken:
            return
        at, rule, place = min(broken)
        since = int(events.line[order[opener[place]]])
        who = repr(list(self._words.processes)[int(events.process[at])])
        functions = list(self._words.functions)
        f, opened = functions[int(events.f[at])], functions[int(events.f[order[opener[place]]])]
        complaint = {
            "backwards": f"time runs backwards in process {who}: {events.time[at]} after {before[place]}",
            "no call": f"process {who} has no open call that {TYPES[int(events.type[at])]} could complete",
            "open": f"process {who} has a call open since line {since}; one at a time, unless both have the same "
            '"batch"',
            "retired": f"process {who} goes on after info, which leaves its call open; give it a new name after info",
            "other": f"completes {f!r}, but process {who} invoked {opened!r} in line {since}",
        }[rule]
        raise HistoryError(f"{self._name}:{events.line[at]}: {complaint}")

    def _match_by_value(self, events: EventColumns, invocations: Ints, completions: Ints, session: Ints) -> None:
        """Where the values of a batch say which of its messages a completion is of, follow them; in place."""
        told, answered = events.value[invocations], events.value[completions]
        if not len(session):
            return
        by_name = (np.bincount(session) > 1) & (np.bincount(session, told != NO_VALUE) > 0)
        differs = by_name[session] & (answered != NO_VALUE) & (told != answered)
        for number in np.unique(session[differs]).tolist():
            where = np.flatnonzero(session == number)
            members = np.sort(np.concatenate([invocations[where], completions[where]]))
            completions[where] = [done for _, done in _walk(events, members.tolist())]

    def _calls(self, events: EventColumns, invocations: Ints, completions: Ints, session: Ints) -> CallColumns:
        in_file = np.argsort(invocations, kind="stable")
        begun, done, session = invocations[in_file], completions[in_file], session[in_file]
        answered = done >= 0

        def of(column: npt.NDArray[Any], otherwise: int) -> npt.NDArray[Any]:
            return np.where(answered, column[done], otherwise)

        kind = of(events.type, INFO)
        numbers = {}
        for name in NUMBERS:
            if name in events.numbers and name != "batch":
                asked, told = events.numbers[name][begun], of(events.numbers[name], ABSENT)
                numbers[name] = np.where(told == ABSENT, asked, told) if name != "id" else told
        if "id" in events.numbers:
            numbers["target"] = events.numbers["id"][begun]
        if "batch" in events.numbers:
            asked, told = events.numbers["batch"][begun], of(events.numbers["batch"], ABSENT)
            other = np.flatnonzero((told != ABSENT) & (told != asked))
            if len(other):
                line = events.line[done[other[0]]]
                raise HistoryError(f"{self._name}:{line}: batch {told[other[0]]} completes a call that is not of it")
            batched = asked != ABSENT
            sessions, number = np.unique(session[batched], return_inverse=True)
            numbers["batch"] = np.full(len(begun), ABSENT, np.int64)
            numbers["batch"][batched] = (number + self._batches) % _MOST_BATCHES + 1
            self._batches += len(sessions)
        return CallColumns(
            process=events.process[begun],
            f=events.f[begun],
            error=of(events.error, 0),
            type=kind,
            invoked=events.time[begun],
            returned=np.where(kind == INFO, PENDING_RETURN, of(events.time, PENDING_RETURN)),
            argument=events.value[begun],
            result=of(events.value, NO_VALUE),
            line=events.line[begun],
            intact=events.intact[begun] & of(events.intact, True).astype(np.bool_),
            numbers=numbers,
        )


def _first(mask: Bools, order: Ints) -> Ints:
    """The place of the event of this mask that comes first in the file, if there is one."""
    places = np.flatnonzero(mask)
    return places[np.argsort(order[places])[:1]]


def _walk(events: EventColumns, members: list[int]) -> list[tuple[int, int]]:
    """Pair the events of one session one by one: (invocation, completion or -1), in the order of the invocations."""
    waiting: list[int] = []
    pairs: dict[int, int] = {}
    for event in members:
        if events.type[event] == INVOKE:
            waiting.append(event)
            pairs[event] = -1
            continue
        value = events.value[event]
        named = [begun for begun in waiting if value != NO_VALUE and events.value[begun] == value]
        begun = named[0] if named else waiting[0]
        waiting.remove(begun)
        pairs[begun] = event
    return list(pairs.items())
