"""Does a program end, whatever the order of its calls?

A worker that waits for a message that nobody will write waits as it should, and looks like one that was not woken. So a
program in which that can happen is refused before it is explored: what waits for ever in one that is not refused has
been let down by the channel.

The orders are those of the specification, in which a call takes effect at one instant (Herlihy & Wing 1990), a batch
message by message, and no other writer in between while there is room. They are gone through depth first, so that a
program which ends in no order is found out on the first way, however large it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from harness.explore.trace import worker_name
from harness.operation import NO_ID, NO_TIMEOUT, Kind
from harness.program import Program
from harness.stateful.model import ChannelModel, Message, Refusal

__all__ = ["why_unending"]

_T = TypeVar("_T")

MOST_STATES = 5_000
"""And enough for one way to the end. A program with more, if it ends in most orders, is explored as it is."""

NOBODY = -1

SHOWN = 8
"""Calls of an order that are told, the last ones."""

_WAITS_FOR = {
    Kind.READ: "a message that nobody will write",
    Kind.READ_MANY: "a message that nobody will write",
    Kind.WRITE: "room that nobody will make",
    Kind.WRITE_MANY: "room that nobody will make",
}


@dataclass(frozen=True)
class _Call:
    kind: Kind
    size: int
    count: int
    has_timeout: bool

    @property
    def is_endless(self) -> bool:
        """Does it wait, and without a time-out?"""
        return self.kind in _WAITS_FOR and not self.has_timeout

    @property
    def takes_turns(self) -> bool:
        """Does it need what one worker has at a time, the right to write?"""
        return self.kind.writes or self.kind is Kind.SHUTDOWN


_Scripts = list[list[_Call]]


@dataclass(frozen=True)
class _State:
    """Of each worker: calls made, messages written of the batch that it is in, the id that it saw last, and whether its
    last call gave up.
    """

    made: tuple[int, ...]
    part: tuple[int, ...]
    seen: tuple[int, ...]
    gave_up: tuple[bool, ...]
    channel: ChannelModel
    owner: int = NOBODY
    """Who is in the middle of a batch for which there has been room so far."""

    def key(self) -> tuple[Any, ...]:
        places = {message.id: place for place, message in enumerate(self.channel.messages)}
        sizes = tuple(len(message.data) for message in self.channel.messages)
        seen = tuple(places.get(seen) for seen in self.seen)
        return self.made, self.part, seen, self.gave_up, sizes, self.channel.open, self.owner

    def after(self, worker: int, channel: ChannelModel, *, seen: int | None = None, gave_up: bool = False) -> _State:
        """The worker's call is over. `seen`: the id that it told."""
        return replace(
            self,
            made=_with(self.made, worker, self.made[worker] + 1),
            part=_with(self.part, worker, 0),
            seen=self.seen if seen is None else _with(self.seen, worker, seen),
            gave_up=_with(self.gave_up, worker, gave_up),
            channel=channel,
            owner=NOBODY if self.owner == worker else self.owner,
        )


def why_unending(program: Program) -> str:
    """An order of the calls after which somebody waits for ever, in words; "" if there is none, or none was found."""
    scripts = [[_call(row) for row in script] for script in program.workers]
    if program.config.get("max_round_trips") or not any(call.is_endless for script in scripts for call in script):
        return ""
    nothing = (0,) * len(scripts)
    nobody = (False,) * len(scripts)
    start = _State(nothing, nothing, (NO_ID,) * len(scripts), nobody, ChannelModel(program.capacity))
    came: dict[tuple[Any, ...], tuple[_State, int] | None] = {
        start.key(): None
    }  # the state before, and who made the step
    left = [start]
    messages = sum(call.count for script in scripts for call in script)
    most = MOST_STATES + len(scripts) * messages
    while left:
        state = left.pop()
        steps = list(_steps(state, scripts))
        if not steps and any(made < len(script) for made, script in zip(state.made, scripts, strict=True)):
            return _told(state, came, scripts)
        for worker, after in steps:
            if after.key() in came:
                continue
            if len(came) == most:
                return ""
            came[after.key()] = state, worker
            left.append(after)
    return ""


def _call(row: Any) -> _Call:
    kind = Kind(int(row["kind"]))
    return _Call(kind, int(row["size"]), int(row["count"]), int(row["timeout"]) != NO_TIMEOUT)


def _steps(state: _State, scripts: _Scripts) -> Iterator[tuple[int, _State]]:
    """What each worker can do next. A call that waits without a time-out can do nothing until its wait is over."""
    for worker, script in enumerate(scripts):
        if state.made[worker] == len(script):
            continue
        call = script[state.made[worker]]
        beside = list(_beside(state, worker, scripts))
        # a batch takes fewer messages than there are where others take some, too
        for after in _taken(state, worker, call, fewer=any(other.kind.removes for other in beside)):
            yield worker, after
        if call.has_timeout and call.takes_turns and any(other.takes_turns for other in beside):
            yield worker, state.after(worker, state.channel, gave_up=True)  # RETRY_LIMIT


def _beside(state: _State, worker: int, scripts: _Scripts) -> Iterator[_Call]:
    """Calls that others may be inside: of each its next, and its last, which has taken effect and may not be over."""
    for other, (script, made) in enumerate(zip(scripts, state.made, strict=True)):
        if other != worker:
            yield from script[made if state.gave_up[other] else max(0, made - 1) : made + 1]


def _taken(state: _State, worker: int, call: _Call, *, fewer: bool) -> Iterator[_State]:
    channel = replace(state.channel, messages=deque(state.channel.messages))
    if call.kind.writes:
        if state.owner not in (NOBODY, worker):
            return
        part = state.part[worker] + 1
        answer = channel.write(bytes(call.size))
        if not isinstance(answer, Refusal) and part < call.count:
            yield replace(state, part=_with(state.part, worker, part), channel=channel, owner=worker)
        elif answer is not Refusal.FULL or not call.is_endless:
            yield state.after(worker, channel)
        elif state.owner == worker:
            yield replace(state, owner=NOBODY)  # it waits for room
    elif call.kind in (Kind.READ, Kind.READ_MANY):
        there = min(call.count, len(channel.messages))
        if not there and channel.open and call.is_endless:
            return
        for taken in range(min(1, there) if fewer else there, there + 1):
            left = replace(channel, messages=deque(channel.messages))
            left.read_many(taken)
            yield state.after(worker, left)
    elif call.kind is Kind.PEEK:
        head = channel.peek()
        yield state.after(worker, channel, seen=head.id if isinstance(head, Message) else None)
    elif call.kind is Kind.SKIP:
        answered = channel.skip(state.seen[worker])
        seen = None if isinstance(answered, Refusal) or answered[0] else answered[1]
        yield state.after(worker, channel, seen=seen)
    else:
        if call.kind is Kind.SHUTDOWN:
            if state.owner != NOBODY:
                return
            channel.shutdown()
        elif call.kind.removes:
            channel.read()
        yield state.after(worker, channel)


def _with(values: tuple[_T, ...], at: int, value: _T) -> tuple[_T, ...]:
    return (*values[:at], value, *values[at + 1 :])


def _told(state: _State, came: dict[tuple[Any, ...], tuple[_State, int] | None], scripts: _Scripts) -> str:
    waiting = []
    for worker, script in enumerate(scripts):
        made = state.made[worker]
        if made < len(script):
            kind = script[made].kind
            call = f"{kind.name.lower()}, its call {made + 1}"
            waiting.append(f"worker {worker_name(worker)} waits in {call}, for {_WAITS_FOR[kind]}")
    order: list[str] = []
    step = came[state.key()]
    while step is not None:
        before, worker = step
        name = f"{worker_name(worker)} {scripts[worker][before.made[worker]].kind.name.lower()}"
        if not before.part[worker]:  # else in the middle of a batch, which is told where it begins
            order.append(name)
        step = came[before.key()]
    shown = ", ".join(reversed(order[:SHOWN]))
    more = f"{len(order) - SHOWN} calls, then " if len(order) > SHOWN else ""
    when = f" if its calls come in this order: {more}{shown}; then" if order else ":"
    return (
        f"the program cannot end{when} {', and '.join(waiting)}. That is no fault of the channel: give the call a "
        "time-out, or let others do what it waits for in every order"
    )
