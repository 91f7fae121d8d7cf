"""The specification of the channel, as plain Python: what a sequential caller is entitled to see.

A queue of messages and a count of bytes; no ring, no headers. An operation returns what the channel must return, or a
`Refusal` where it must raise.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["ENTRY_ALIGNMENT", "ChannelModel", "Message", "Refusal", "entry_bytes"]

ENTRY_ALIGNMENT = 16
_HEADER_BYTES = 8


def entry_bytes(size: int) -> int:
    """Bytes that a message of `size` bytes occupies: round_up_16(8 + size)."""
    return -(-(_HEADER_BYTES + size) // ENTRY_ALIGNMENT) * ENTRY_ALIGNMENT


class Refusal(StrEnum):
    """Why an operation was refused; the value is the name of the exception."""

    FULL = "ChannelFull"
    TOO_LARGE = "MessageTooLarge"
    CLOSED = "ChannelClosed"
    BUFFER_TOO_SMALL = "BufferTooSmall"


@dataclass(frozen=True)
class Message:
    """A message in the channel: its entry id and its bytes."""

    id: int
    data: bytes


@dataclass
class ChannelModel:
    """The state of the specification.

    Attributes:
        capacity: bytes of the ring. messages: oldest first. tail: id of the next message. open: no shutdown yet.
    """

    capacity: int
    messages: deque[Message] = field(default_factory=deque)
    tail: int = 0
    open: bool = True

    @property
    def used(self) -> int:
        """Bytes that the messages occupy."""
        return sum(entry_bytes(len(message.data)) for message in self.messages)

    @property
    def max_message(self) -> int:
        """The largest message: its entry and the spare 16 bytes fill the ring."""
        return self.capacity - _HEADER_BYTES - ENTRY_ALIGNMENT

    @property
    def head(self) -> int:
        """Id of the oldest message, or of the next one if there is none."""
        return self.messages[0].id if self.messages else self.tail

    def fits(self, size: int) -> bool:
        return self.used + entry_bytes(size) + ENTRY_ALIGNMENT <= self.capacity

    def write(self, data: bytes) -> int | Refusal:
        """Id of the message. Whether it is too large is asked first, whether the stream has ended second."""
        if len(data) > self.max_message:
            return Refusal.TOO_LARGE
        if not self.open:
            return Refusal.CLOSED
        if not self.fits(len(data)):
            return Refusal.FULL
        self.messages.append(Message(self.tail, data))
        self.tail += entry_bytes(len(data))
        return self.messages[-1].id

    def write_many(self, batch: list[bytes]) -> tuple[list[int], Refusal | None]:
        """Ids of what was written, and what the first other one was refused for. One that can never fit refuses all."""
        if any(len(data) > self.max_message for data in batch):
            return [], Refusal.TOO_LARGE
        ids: list[int] = []
        for data in batch:
            answer = self.write(data)
            if isinstance(answer, Refusal):
                return ids, answer
            ids.append(answer)
        return ids, None

    def read(self) -> Message | Refusal | None:
        """The oldest message, removed; None if there is none yet; CLOSED if there will be none."""
        head = self.peek()
        if isinstance(head, Message):
            self.messages.popleft()
        return head

    def read_many(self, limit: int) -> list[Message] | Refusal:
        """Up to `limit` messages, removed."""
        if not self.messages and not self.open:
            return Refusal.CLOSED
        return [self.messages.popleft() for _ in range(min(limit, len(self.messages)))]

    def peek(self) -> Message | Refusal | None:
        """The oldest message, left in place."""
        if self.messages:
            return self.messages[0]
        return None if self.open else Refusal.CLOSED

    def skip(self, entry_id: int) -> tuple[bool, int | None] | Refusal:
        """(was it the head, and is it removed; the head that was there, None if there was none)."""
        head = self.peek()
        if not isinstance(head, Message):
            return (False, None) if head is None else head
        if head.id == entry_id:
            self.messages.popleft()
        return head.id == entry_id, head.id

    def skip_force(self) -> int | Refusal | None:
        """Id of the oldest message, removed; None if there is none."""
        head = self.read()
        return head.id if isinstance(head, Message) else head

    def shutdown(self) -> None:
        self.open = False
