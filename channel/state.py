"""What can be seen of a channel from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ChannelState", "Counters", "Participant", "SkipResult"]

_OPERATIONS = ("write", "read", "peek", "skip")


@dataclass(frozen=True)
class Counters:
    """What one kind of operation did and cost, summed over calls.

    Attributes:
        calls: calls that returned, whatever they answered.
        conflicts: rounds lost to another participant.
        retries: rounds after the first of each call; ``write_many`` takes one for every 64 messages or 64 KiB.
        sleeps: pauses longer than a spin.
        wakeups: wake-ups sent to sleeping readers.
        recoveries: dead owners replaced.
    """

    calls: int = 0
    conflicts: int = 0
    retries: int = 0
    sleeps: int = 0
    wakeups: int = 0
    recoveries: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Participant:
    """A process that is attached, or was when it died and nobody has taken its slot since.

    Attributes:
        slot: its place in the table. pid: process id. started_ns: when it attached, ns since the epoch.
        name: of its program. counters: by operation: ``write``, ``read``, ``peek``, ``skip``.
    """

    slot: int
    pid: int
    started_ns: int
    name: str
    counters: Mapping[str, Counters]


@dataclass(frozen=True)
class ChannelState:
    """A channel at one instant. The counters are read one after another and may lag behind it.

    Attributes:
        entries: messages in the channel. bytes: bytes that they occupy, headers and padding included.
        capacity: bytes of the ring. max_message: bytes of the largest message.
        head: id of the oldest entry, or of the next one if there is none. tail: id of the next entry.
        open: False after ``shutdown()``.
        crash_safe: is a participant killed at any instruction recovered from? True in a segment; in a buffer only if
            the memory is private to one process, or a lock file was named.
        recoveries: dead owners replaced since creation.
        participants: who is attached.
    """

    entries: int
    bytes: int
    capacity: int
    max_message: int
    head: int
    tail: int
    open: bool
    crash_safe: bool
    recoveries: int
    participants: tuple[Participant, ...]

    @property
    def counters(self) -> dict[str, Counters]:
        """Over all participants, by operation."""
        return {
            operation: sum((participant.counters[operation] for participant in self.participants), Counters())
            for operation in _OPERATIONS
        }


@dataclass(frozen=True)
class SkipResult:
    """What ``skip(entry_id)`` did; true if it removed the entry.

    Attributes:
        removed: was the entry at the head, and is it gone now?
        head: id of the entry that was at the head; None if the channel was empty.
    """

    removed: bool
    head: int | None

    def __bool__(self) -> bool:
        return self.removed


def state_of(native: Mapping[str, Any], capacity: int, max_message: int, crash_safe: bool) -> ChannelState:
    """From what the native core reports."""
    width = len(Counters.__dataclass_fields__)
    participants = tuple(
        Participant(
            slot,
            pid,
            started,
            name,
            {
                operation: Counters(*counters[index * width : (index + 1) * width])
                for index, operation in enumerate(_OPERATIONS)
            },
        )
        for slot, pid, started, name, counters in native["participants"]
    )
    return ChannelState(
        entries=native["entries"],
        bytes=native["bytes"],
        capacity=capacity,
        max_message=max_message,
        head=native["head"],
        tail=native["tail"],
        open=not native["closed"],
        crash_safe=crash_safe,
        recoveries=native["recoveries"],
        participants=participants,
    )
