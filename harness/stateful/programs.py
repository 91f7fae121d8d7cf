"""Strategies for whole programs: who calls what, how much, on how small a channel, and who is killed where.

What they draw are plain `Program` values, for threads, processes and the explorer alike. Every program ends by itself:
whatever waits has a time-out, so that a channel that nobody empties, or fills, is no hang (a retry limit would not do:
scripts count RETRY_LIMIT and try again). They shrink to fewer workers, fewer operations, plain writes and reads, 8-byte
payloads, the smallest ring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from harness.executors.execution import Kill
from harness.operation import NO_TIMEOUT, Kind, message_value
from harness.program import Program, operations
from harness.stateful.model import ENTRY_ALIGNMENT, entry_bytes

__all__ = [
    "SMALLEST_CAPACITY",
    "SMALLEST_PAYLOAD",
    "STEPS_OF_A_CALL",
    "Drawn",
    "configurations",
    "ends_by_itself",
    "kills",
    "meetings",
    "programs",
    "swarms",
    "vigils",
]

SMALLEST_PAYLOAD = 8
"""Every message carries its identity."""

SMALLEST_CAPACITY = 64
_LONGEST_WAIT_NS = 1_000_000
_LONGEST_THINK_NS = 20_000
STEPS_OF_A_CALL = 14
"""Accesses to shared memory of a write; a kill is before one of them."""

_SWARMING_SIZES = (8, 24, 40)
"""Of which a ring of 64 bytes holds three, one, one, and one of 80 bytes four, two, one: and laps meet at other places.
"""

_WRITES = (Kind.WRITE, Kind.TRY_WRITE, Kind.WRITE_MANY)
_DRAINING = (Kind.READ, Kind.TRY_READ, Kind.READ_MANY, Kind.SKIP_FORCE)
_BATCHES = (Kind.WRITE_MANY, Kind.READ_MANY)
_WAITING = (Kind.WRITE, Kind.READ, Kind.WRITE_MANY, Kind.READ_MANY)


@dataclass(frozen=True)
class Drawn:
    """A program, and who is killed.

    Attributes:
        program: what the workers call. kills: (worker, access) before which workers are killed.
        dies: instead, one worker that is killed before each of its accesses, an exploration each; None: nobody.
    """

    program: Program
    kills: tuple[tuple[int, int], ...] = ()
    dies: int | None = None

    @property
    def somebody_dies(self) -> bool:
        return bool(self.kills) or self.dies is not None


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Keyword arguments of ``channel.ChannelConfig``; the defaults are the simplest."""
    if draw(st.booleans()):
        return {}
    start = draw(st.integers(1_000, 50_000))
    return {
        "max_round_trips": draw(st.sampled_from([None, 1, 16, 1024])),
        "start_sleep_ns": start,
        "max_sleep_ns": draw(st.integers(start, 100_000)),
    }


@st.composite
def _calls(draw: st.DrawFn, kinds: tuple[Kind, ...], largest: int, most_batch: int) -> dict[str, int]:
    """One operation; the identity of its messages is given later."""
    kind = draw(st.sampled_from(kinds))
    call = {"kind": kind.value}
    if kind in _WRITES:
        call["size"] = draw(st.integers(SMALLEST_PAYLOAD, largest))
    if kind in _BATCHES:
        call["count"] = draw(st.integers(1, most_batch))
    if kind in _WAITING:
        call["timeout"] = draw(st.integers(0, _LONGEST_WAIT_NS))
    if draw(st.integers(0, 7)) == 7:
        call["think"] = draw(st.integers(0, _LONGEST_THINK_NS))
    return call


def _numbered(worker: int, calls: list[dict[str, int]]) -> npt.NDArray[np.void]:
    """The script: every message of this worker gets its own identity.

    A worker that never writes repeats its script until the stream has ended, so it must be able to drain the channel.
    """
    kinds = {Kind(call["kind"]) for call in calls}
    if not kinds & {*_WRITES, *_DRAINING}:
        calls = [*calls, {"kind": Kind.TRY_READ.value}]
    number = 0
    for call in calls:
        if Kind(call["kind"]).writes:
            call["value"] = message_value(worker, number)
            number += call.get("count", 1)
    return operations(calls)


@st.composite
def programs(
    draw: st.DrawFn,
    *,
    most_workers: int = 4,
    most_operations: int = 8,
    largest_capacity: int = 512,
    most_batch: int = 4,
    kinds: tuple[Kind, ...] = tuple(kind for kind in Kind if kind.runs),
) -> Program:
    """A program of 2 to `most_workers` workers with up to `most_operations` operations each.

    A worker that could only look at the channel gets a try_read more, or it would look at its last message for ever.

    Args:
        draw: by Hypothesis. most_workers, most_operations, largest_capacity: bounds. most_batch: messages of a batch.
        kinds: what may be called.
    """
    units = draw(st.integers(SMALLEST_CAPACITY // ENTRY_ALIGNMENT, largest_capacity // ENTRY_ALIGNMENT))
    capacity = units * ENTRY_ALIGNMENT
    config = draw(configurations())
    largest = capacity - entry_bytes(0) - 8
    script = st.lists(_calls(kinds, largest, most_batch), min_size=1, max_size=most_operations)
    workers = range(draw(st.integers(2, most_workers)))
    scripts = [_numbered(worker, draw(script)) for worker in workers]
    return Program("drawn", tuple(scripts), capacity, config)


@st.composite
def swarms(
    draw: st.DrawFn,
    *,
    kinds: tuple[Kind, ...],
    most_workers: int = 3,
    most_operations: int = 3,
    most_batch: int = 3,
) -> Program:
    """Programs of few kinds each, one of which writes, on the smallest rings, which a few messages of one size fill.

    Some bugs need many calls of one kind, and none of the others (Groce et al., Swarm Testing, ISSTA 2012). Whatever
    may wait has a time-out of 0.

    Args:
        draw: by Hypothesis. kinds: what may be called. most_workers, most_operations: bounds; where there are fewer
            workers, each may have more operations. most_batch: messages.
    """
    capacity = draw(st.sampled_from((SMALLEST_CAPACITY, SMALLEST_CAPACITY + ENTRY_ALIGNMENT)))
    size = draw(st.sampled_from(_SWARMING_SIZES))
    writing = [kind for kind in kinds if kind.writes]
    others = [kind for kind in kinds if not kind.writes]
    chosen = draw(st.lists(st.sampled_from(others), min_size=1, max_size=2, unique=True)) if others else []
    if writing:
        chosen = [draw(st.sampled_from(writing)), *chosen]
    call = st.builds(_swarming, st.sampled_from(chosen), st.just(size), st.integers(1, most_batch))
    workers = draw(st.integers(2, most_workers))
    script = st.lists(call, min_size=1, max_size=most_workers * most_operations // workers)
    return Program("drawn", tuple(_numbered(worker, draw(script)) for worker in range(workers)), capacity)


def _swarming(kind: Kind, size: int, batch: int) -> dict[str, int]:
    call = {"kind": kind.value}
    if kind.writes:
        call["size"] = size
    if kind in _BATCHES:
        call["count"] = batch
    if kind in _WAITING:
        call["timeout"] = 0
    return call


@st.composite
def meetings(draw: st.DrawFn, *, most_messages: int = 3, largest_capacity: int = 96) -> Program:
    """Writers and readers that wait for each other without time-out, as many reads as messages: it ends by itself,
    unless somebody is not woken. Some of the messages are written as batches.

    Args:
        draw: by Hypothesis. most_messages, largest_capacity: bounds.
    """
    capacity = ENTRY_ALIGNMENT * draw(
        st.integers(SMALLEST_CAPACITY // ENTRY_ALIGNMENT, largest_capacity // ENTRY_ALIGNMENT)
    )
    messages = draw(st.integers(1, most_messages))
    largest = capacity - entry_bytes(0) - 8
    writes: list[dict[str, int]] = []
    while (left := messages - sum(call.get("count", 1) for call in writes)) > 0:
        call = {"kind": Kind.WRITE.value, "size": draw(st.integers(SMALLEST_PAYLOAD, largest)), "timeout": NO_TIMEOUT}
        if (count := draw(st.integers(1, left))) > 1:
            call |= {"kind": Kind.WRITE_MANY.value, "count": count}
        writes.append(call)
    first_writes, first_reads = draw(st.integers(1, len(writes))), draw(st.integers(1, messages))
    reads = [{"kind": Kind.READ.value, "timeout": NO_TIMEOUT}] * messages
    dealt = (writes[:first_writes], writes[first_writes:], reads[:first_reads], reads[first_reads:])
    scripts = [calls for calls in dealt if calls]
    return Program("drawn", tuple(_numbered(worker, calls) for worker, calls in enumerate(scripts)), capacity)


@st.composite
def vigils(draw: st.DrawFn, *, workers: int = 3, most_batch: int = 2) -> Program:
    """Workers who mostly write, on a ring that one message fills, and one who waits for a message without time-out.

    It ends by itself only where somebody may be dead, and the waiting in vain (`harness.explore.subject.beside_dead`).
    Who finds no room wakes nobody, unless he has found a dead writer's message.

    Args:
        draw: by Hypothesis. workers: how many, with the one who waits. most_batch: messages.
    """
    size = draw(st.sampled_from(_SWARMING_SIZES[1:]))
    writing = draw(st.sampled_from((Kind.TRY_WRITE, Kind.WRITE_MANY)))
    call = st.builds(
        _swarming, st.sampled_from((writing, writing, Kind.TRY_READ)), st.just(size), st.integers(1, most_batch)
    )
    scripts = [draw(st.lists(call, min_size=1, max_size=2)) for _ in range(workers - 1)]
    scripts.append([{"kind": draw(st.sampled_from((Kind.READ, Kind.READ_MANY))).value, "timeout": NO_TIMEOUT}])
    return Program("drawn", tuple(_numbered(worker, calls) for worker, calls in enumerate(scripts)), SMALLEST_CAPACITY)


def ends_by_itself(program: Program) -> bool:
    """Does nobody wait without time-out, or is it one of `meetings`?"""
    waits = [
        script["timeout"][np.isin(script["kind"], [kind.value for kind in _WAITING])] == NO_TIMEOUT
        for script in program.workers
    ]
    if not any(wait.any() for wait in waits):
        return True
    kinds = [set(script["kind"].tolist()) for script in program.workers]
    meeting = all(found <= {Kind.WRITE.value, Kind.WRITE_MANY.value} or found == {Kind.READ.value} for found in kinds)
    reads = sum(np.count_nonzero(script["kind"] == Kind.READ) for script in program.workers)
    return meeting and reads == len(program.written_values()) and all(wait.all() for wait in waits)


@st.composite
def kills(draw: st.DrawFn, program: Program, *, most: int = 1) -> tuple[Kill, ...]:
    """Up to `most` workers of `program`, each killed before some step of some call of its own."""
    workers = draw(st.lists(st.integers(0, len(program.workers) - 1), max_size=most, unique=True))
    return tuple(
        Kill(
            worker,
            after=draw(st.integers(0, max(0, len(program.workers[worker]) - 1))),
            step=draw(st.integers(0, STEPS_OF_A_CALL)),
        )
        for worker in workers
    )
