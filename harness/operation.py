"""The vocabulary of programs and histories: kinds of operation, statuses, and the identity of a message.

The numbers are shared with the native scripts (``harness/native/record.hpp``) and stand in saved files: they are only
ever added to. ``tests/executors/test_layout.py`` holds the two spellings together.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["NO_ID", "NO_TIMEOUT", "Kind", "Status", "message_number", "message_value", "message_writer"]

NO_TIMEOUT = -1
"""Time-out of an operation that waits for ever, or cannot wait."""

NO_ID = 2**64 - 1
"""Entry id of an operation that reports none."""

_NUMBER_BITS = 40


class Kind(IntEnum):
    """What a worker asks of the channel."""

    WRITE = 0
    TRY_WRITE = 1
    READ = 2
    TRY_READ = 3
    PEEK = 4
    SKIP = 5
    SKIP_FORCE = 6
    WRITE_MANY = 7
    READ_MANY = 8
    STATE = 9
    SHUTDOWN = 10

    @property
    def runs(self) -> bool:
        """False for what only the explorer executes: a run looks at the state and ends the stream by itself."""
        return self not in (Kind.STATE, Kind.SHUTDOWN)

    @property
    def writes(self) -> bool:
        return self in (Kind.WRITE, Kind.TRY_WRITE, Kind.WRITE_MANY)

    @property
    def removes(self) -> bool:
        """True where success takes the head away."""
        return self in (Kind.READ, Kind.TRY_READ, Kind.READ_MANY, Kind.SKIP, Kind.SKIP_FORCE)


class Status(IntEnum):
    """What the channel answered. ``PENDING``: it never did, because the worker died or was cut short."""

    OK = 0
    FULL = 1
    EMPTY = 2
    TIMEOUT = 3
    MISMATCH = 4
    TOO_LARGE = 5
    RETRY_LIMIT = 6
    CLOSED = 7
    CORRUPTED = 8
    PENDING = 9


def message_value(writer: int, number: int) -> int:
    """The identity of message `number` of worker `writer`: distinct over a program."""
    if not 0 <= number < 1 << _NUMBER_BITS:
        raise ValueError(f"message number {number} is outside 0..{(1 << _NUMBER_BITS) - 1}")
    return writer << _NUMBER_BITS | number


def message_writer(value: int) -> int:
    """The worker that wrote the message with this identity."""
    return value >> _NUMBER_BITS


def message_number(value: int) -> int:
    """Which of its writer's messages this is, from 0."""
    return value & ((1 << _NUMBER_BITS) - 1)
