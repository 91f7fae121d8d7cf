"""A ``queue.Queue``-shaped face, so that a channel drops in where ``multiprocessing.Queue`` of bytes was used."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

from channel._api import DEFAULT_CAPACITY, Channel
from channel.config import ChannelConfig
from channel.errors import ChannelTimeout

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ChannelQueue"]


class ChannelQueue:
    """A queue of byte messages with the methods of ``queue.Queue``; picklable like a channel.

    Differs from ``multiprocessing.Queue`` where that is vague: `qsize`, `empty` and `full` are exact at one instant,
    and there is no feeder thread, so nothing is lost when a process exits.
    """

    def __init__(self, channel: Channel | None = None, *, capacity: int = DEFAULT_CAPACITY) -> None:
        """On an existing channel, or on a new anonymous one with `capacity` bytes."""
        self._channel = Channel.create(capacity=capacity, config=ChannelConfig()) if channel is None else channel

    @property
    def channel(self) -> Channel:
        return self._channel

    def put(self, item: Buffer, block: bool = True, timeout: float | None = None) -> None:
        """Raises queue.Full if there is no room (in time), ChannelClosed after `shutdown`."""
        try:
            if block:
                self._channel.write(item, timeout)
            else:
                self._channel.try_write(item)
        except ChannelTimeout as error:
            raise queue.Full from error

    def get(self, block: bool = True, timeout: float | None = None) -> bytes:
        """Raises queue.Empty if nothing is there (in time), ChannelClosed after `shutdown` once drained."""
        try:
            entry = self._channel.read(timeout) if block else self._channel.try_read()
        except ChannelTimeout as error:
            raise queue.Empty from error
        if entry is None:
            raise queue.Empty
        return entry.data

    def put_nowait(self, item: Buffer) -> None:
        self.put(item, block=False)

    def get_nowait(self) -> bytes:
        return self.get(block=False)

    def qsize(self) -> int:
        """Messages in the queue at one instant."""
        return self._channel._entries()

    def empty(self) -> bool:
        return self.qsize() == 0

    def full(self) -> bool:
        """True if not even an empty message fits."""
        state = self._channel.state()
        return state.bytes + 16 + 16 > state.capacity

    def shutdown(self, immediate: bool = False) -> None:
        self._channel.shutdown(immediate)

    def close(self) -> None:
        """Close this process's handle; there is no feeder thread to wait for."""
        self._channel.close()

    def join_thread(self) -> None:
        """There is no feeder thread; here for ``multiprocessing.Queue``'s sake."""

    def cancel_join_thread(self) -> None:
        """There is no feeder thread; here for ``multiprocessing.Queue``'s sake."""

    def __reduce__(self) -> tuple[type[ChannelQueue], tuple[Channel]]:
        return ChannelQueue, (self._channel,)

    def __repr__(self) -> str:
        return f"ChannelQueue({self._channel!r})"
