"""What the benchmark knows of anything that carries messages: how to open it, and what its two ends do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["End", "Reach", "Transport", "Unavailable"]


class Unavailable(Exception):
    """A transport cannot be used here: one word why."""


@dataclass(frozen=True)
class Reach:
    """What a transport can do.

    Attributes:
        threads, processes: between which workers it carries. senders, receivers: how many it allows at once.
        largest: bytes of the largest message. batches: can one call send many?
        note: what else a reader of the table must know.
    """

    threads: bool = True
    processes: bool = True
    senders: int = 64
    receivers: int = 64
    largest: int = 1 << 30
    batches: bool = False
    note: str = ""


@dataclass(frozen=True)
class End:
    """One end in use by one worker. Calls wait as long as it takes; a worker that waits too long is killed.

    Attributes:
        send, receive: one message. send_many, receive_many: a batch (which may give fewer than asked for); None where
            the transport has none.
        send_all, receive_all: a whole slice in native code, from (messages, bytes of each, messages per call) and from
            (messages, messages per call); None where it is made of calls from Python.
        counters: totals of the whole transport by name (retries, sleeps, ...), where it counts them.
    """

    send: Callable[[bytes], Any]
    receive: Callable[[], Any]
    send_many: Callable[[Sequence[bytes]], Any] | None = None
    receive_many: Callable[[int], Sequence[Any]] | None = None
    counters: Callable[[], dict[str, int]] | None = None
    send_all: Callable[[int, int, int], Any] | None = None
    receive_all: Callable[[int, int], Any] | None = None


class Transport(Protocol):
    """Pickled into worker processes after `open`."""

    @property
    def name(self) -> str: ...
    @property
    def reach(self) -> Reach: ...

    def open(self, capacity: int, size: int) -> None:
        """Make it, with room for about `capacity` bytes of messages of `size` bytes.

        Raises:
            Unavailable: its package is absent, or this machine does not allow it.
        """
        ...

    def sender(self) -> End: ...

    def receiver(self) -> End: ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


def no_call(*_: Any) -> Any:
    """The half that an end does not have."""
    raise TypeError("this end goes the other way")
