"""What a channel raises. Everything is a ChannelError; the numbers that matter are attributes."""

from __future__ import annotations

import queue
from array import array

__all__ = [
    "BufferTooSmall",
    "ChannelClosed",
    "ChannelCorrupted",
    "ChannelError",
    "ChannelExists",
    "ChannelFull",
    "ChannelNotFound",
    "ChannelRetryLimit",
    "ChannelTimeout",
    "ForeignMemory",
    "HandleClosed",
    "MessageTooLarge",
    "NoParticipantSlot",
    "NotAParticipant",
]


class ChannelError(Exception):
    """Base of all errors of a channel.

    Attributes:
        written: ids of the messages that a failed ``write_many`` did write, in order, as ``array("Q")``; else empty.
    """

    written: array[int]

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.written = array("Q")


class ChannelFull(ChannelError, queue.Full):
    """The message did not fit.

    Attributes:
        needed: bytes that it takes in the ring: round_up_16(8 + size).
        free: bytes that were free when this error was made.
        capacity: bytes of the ring.
        max_message: bytes of the largest message, which an empty channel takes.
    """

    def __init__(self, needed: int, free: int, capacity: int, max_message: int) -> None:
        super().__init__(
            f"the channel is full: the message needs {needed} bytes, {free} are free of {capacity} "
            f"(largest message: {max_message} bytes)"
        )
        self.needed, self.free, self.capacity, self.max_message = needed, free, capacity, max_message

    def __reduce__(self) -> tuple[type[ChannelFull], tuple[int, int, int, int]]:
        return type(self), (self.needed, self.free, self.capacity, self.max_message)


class ChannelTimeout(ChannelError, TimeoutError):
    """The time-out passed: nothing came (read), or the message still did not fit (write)."""


class ChannelRetryLimit(ChannelTimeout):
    """The retry policy's limit was reached, or a live writer was still inside at the deadline.

    Attributes:
        rounds: how often the operation was tried.
    """

    def __init__(self, rounds: int) -> None:
        super().__init__(f"gave up after {rounds} rounds (ChannelConfig.max_round_trips, or a writer inside all along)")
        self.rounds = rounds

    def __reduce__(self) -> tuple[type[ChannelRetryLimit], tuple[int]]:
        return type(self), (self.rounds,)


class ChannelClosed(ChannelError):
    """The stream was ended by ``shutdown()``: no write is accepted, and a reader has drained what was there."""


class ChannelCorrupted(ChannelError):
    """The memory holds what no participant wrote. Nothing outside the block was touched."""


class MessageTooLarge(ChannelError, ValueError):
    """The message can never fit.

    Attributes:
        size: its bytes. max_message: bytes of the largest message that this channel takes.
    """

    def __init__(self, size: int, max_message: int) -> None:
        super().__init__(f"a message of {size} bytes is larger than the largest this channel takes, {max_message}")
        self.size, self.max_message = size, max_message

    def __reduce__(self) -> tuple[type[MessageTooLarge], tuple[int, int]]:
        return type(self), (self.size, self.max_message)


class BufferTooSmall(ChannelError, ValueError):
    """``read_into``: the head does not fit the buffer; it is still in the channel.

    Attributes:
        size: bytes of the message. room: bytes of the buffer.
    """

    def __init__(self, size: int, room: int) -> None:
        super().__init__(f"the message has {size} bytes, the buffer {room}; the message is still in the channel")
        self.size, self.room = size, room

    def __reduce__(self) -> tuple[type[BufferTooSmall], tuple[int, int]]:
        return type(self), (self.size, self.room)


class HandleClosed(ChannelError, ValueError):
    """This handle was closed by ``close()``."""


class NotAParticipant(ChannelError):
    """This process cannot take part: forked from a participant whose channel it cannot share."""


class NoParticipantSlot(ChannelError):
    """All participant slots are taken; create the channel with more ``participants``."""


class ForeignMemory(ChannelError, ValueError):
    """The memory holds no channel, or one of another layout version."""


class ChannelExists(ChannelError, FileExistsError):
    """A segment of that name exists."""


class ChannelNotFound(ChannelError, FileNotFoundError):
    """There is no segment of that name."""
