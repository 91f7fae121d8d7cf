"""The channel as Python sees it: constructors and views around the native operations."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from channel import _core
from channel.config import ChannelConfig
from channel.errors import ChannelClosed, HandleClosed
from channel.state import ChannelState, SkipResult, state_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    # the mixin is always combined with a class that has the native operations
    _Native = _core.ChannelBase
else:
    _Native = object

__all__ = ["DEFAULT_CAPACITY", "DEFAULT_PARTICIPANTS", "Channel", "ChannelMethods", "suggest_size"]

DEFAULT_CAPACITY = 1 << 20
DEFAULT_PARTICIPANTS = 64


def suggest_size(capacity: int, participants: int = 1) -> int:
    """Bytes of a buffer whose ring has at least `capacity` bytes, for `Channel.create_in`.

    Raises:
        ValueError: a capacity or number of participants out of range.
    """
    return _core.block_bytes(_checked_capacity(capacity), _checked_participants(participants))


def _checked_capacity(capacity: int) -> int:
    if not isinstance(capacity, int) or isinstance(capacity, bool):
        raise TypeError(f"capacity is a whole number of bytes; got {capacity!r}")
    rounded = -(-capacity // 16) * 16
    if not _core.MIN_CAPACITY <= rounded <= _core.MAX_CAPACITY:
        raise ValueError(f"capacity is from {_core.MIN_CAPACITY} to {_core.MAX_CAPACITY} bytes; got {capacity}")
    return rounded


def _checked_participants(participants: int) -> int:
    if not isinstance(participants, int) or isinstance(participants, bool):
        raise TypeError(f"participants is a whole number; got {participants!r}")
    if not 1 <= participants <= _core.MAX_PARTICIPANTS:
        raise ValueError(f"participants is from 1 to {_core.MAX_PARTICIPANTS}; got {participants}")
    return participants


def _checked_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a segment's name is a str; got {name!r}")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"a segment's name is text that UTF-8 can spell; got {name!r}") from error
    if not name:
        raise ValueError("a segment name has 1 to 200 bytes and no '/'; got ''")
    return name


def _unlink_in(pid: int, name: str) -> None:
    """Finalizer of an anonymous segment: only the process that made it removes it, not a child that inherited it."""
    if os.getpid() == pid:
        _core.unlink_segment(name)


class ChannelMethods(_Native):
    """What is built on the native operations; shared by every class of handle."""

    _config: ChannelConfig
    _unlink: weakref.finalize[..., Any] | None
    _created: bool

    @property
    def config(self) -> ChannelConfig:
        """This handle's retry policy."""
        return self._config

    def skip(self, entry_id: int) -> SkipResult:
        """Remove the head if and only if it is the entry with this id; the result tells which head was there."""
        return SkipResult(*self._skip(entry_id))

    def state(self) -> ChannelState:
        """A consistent snapshot of the channel, and its counters."""
        return state_of(self._state(), self.capacity, self.max_message, self.crash_safe)

    def shutdown(self, immediate: bool = False, timeout: float | None = None) -> None:
        """End the stream, as ``queue.Queue.shutdown``: writers get ChannelClosed, readers drain and then get it too.

        Args:
            immediate: also throw away what was not read yet.
            timeout: seconds to wait for a writer that is inside.
        """
        self._shutdown(timeout)
        if immediate:
            try:
                while self.skip_force() is not None:
                    pass
            except ChannelClosed:
                pass  # drained

    def close(self) -> None:
        """Close this handle; other handles and the messages stay. A call waiting in another thread raises HandleClosed.

        The handle that created an anonymous channel also removes its name.
        """
        self._close()
        if self._unlink is not None:
            self._unlink()

    def unlink(self) -> bool:
        """Remove the segment's name. Who is attached stays attached; the memory goes with the last of them.

        Returns:
            False if the name was gone already.

        Raises:
            ValueError: the channel is in a buffer and has no name.
        """
        name = self.name
        if not name:
            raise ValueError("a channel in a buffer has no name to unlink")
        if self._unlink is not None:
            self._unlink.detach()
        self._created = False  # the name may be another's from now on
        return _core.unlink_segment(name)

    def __iter__(self) -> Iterator[_core.Entry]:
        """Read until the stream is shut down and drained."""
        while True:
            try:
                entry = self.read()
            except ChannelClosed:
                return
            yield entry

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the handle; the one that created the segment also unlinks it."""
        if self.closed:
            return
        try:
            if self._created and self.name:
                self.unlink()
        finally:
            self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as the name: the other process connects to the same segment."""
        if self.closed:
            raise HandleClosed("a closed handle cannot be pickled")
        if not self.name:
            raise TypeError("a channel in a buffer cannot be pickled; pass the buffer and use connect_to()")
        return _reconnect, (type(self), self.name, self._config)

    def __repr__(self) -> str:
        kind = type(self).__name__
        if self.closed:
            return f"<{kind} closed>"
        return f"<{kind} {self.name or 'in a buffer'} capacity={self.capacity}>"

    @classmethod
    def _unopened(cls, config: ChannelConfig | None, created: bool) -> Self:
        if config is not None and not isinstance(config, ChannelConfig):
            raise TypeError(f"config is a ChannelConfig; got {config!r}")
        handle = cls.__new__(cls)
        handle._construct()
        handle._config = config or ChannelConfig()
        handle._unlink = None
        handle._created = created
        return handle

    def _construct(self) -> None:
        raise NotImplementedError

    @classmethod
    def create(
        cls,
        name: str | None = None,
        capacity: int = DEFAULT_CAPACITY,
        config: ChannelConfig | None = None,
        participants: int = DEFAULT_PARTICIPANTS,
    ) -> Self:
        """A new channel in a named segment of shared memory.

        Args:
            name: of the segment, 1 to 200 bytes without '/', and not beginning with ``ipc-channel-``. None: a unique
                name, which disappears with this handle.
            capacity: bytes of the ring, rounded up to a multiple of 16. A message of n bytes takes round_up_16(8 + n),
                and 16 bytes stay free.
            config: this handle's retry policy.
            participants: how many processes may be attached at once.

        Raises:
            ChannelExists: a segment of that name exists.
            ValueError: a value out of range. OSError: no room in /dev/shm, no permission.
        """
        handle = cls._unopened(config, created=True)
        chosen = "" if name is None else _checked_name(name)
        handle._create(
            chosen, _checked_capacity(capacity), _checked_participants(participants), handle._config.policy()
        )
        if name is None:
            handle._unlink = weakref.finalize(handle, _unlink_in, os.getpid(), handle.name)
        return handle

    @classmethod
    def connect(cls, name: str, config: ChannelConfig | None = None) -> Self:
        """A handle on the channel in an existing segment.

        Raises:
            ChannelNotFound: no such segment. ForeignMemory: it holds no channel of this version.
            NoParticipantSlot: as many processes are attached as it was created for.
        """
        handle = cls._unopened(config, created=False)
        handle._connect(_checked_name(name), handle._config.policy())
        return handle

    @classmethod
    def create_in(
        cls,
        buffer: Buffer,
        config: ChannelConfig | None = None,
        participants: int = 1,
        lock_file: str | os.PathLike[str] | None = None,
    ) -> Self:
        """A new channel in a writable buffer; whatever was in it is overwritten.

        Args:
            buffer: at least ``suggest_size(64)`` bytes, at a multiple of 8.
            config: this handle's retry policy.
            participants: how many processes (or, without a lock file, handles) have counters of their own.
            lock_file: an existing file whose bytes can be locked. Memory that processes share is only recovered after a
                kill if all of them name the same file; see ``ChannelState.crash_safe``.

        Raises:
            ValueError: the buffer is too small or misaligned. BufferError, TypeError: not writable.
        """
        handle = cls._unopened(config, created=True)
        path = os.fspath(lock_file) if lock_file is not None else ""
        handle._create_in(buffer, _checked_participants(participants), path, handle._config.policy())
        return handle

    @classmethod
    def connect_to(
        cls, buffer: Buffer, config: ChannelConfig | None = None, lock_file: str | os.PathLike[str] | None = None
    ) -> Self:
        """A handle on the channel in a buffer.

        Raises:
            ForeignMemory: the buffer holds no channel of this version.
        """
        handle = cls._unopened(config, created=False)
        handle._connect_to(buffer, os.fspath(lock_file) if lock_file is not None else "", handle._config.policy())
        return handle


class Channel(ChannelMethods, _core.ChannelBase):
    """A bounded multi-producer multi-consumer FIFO of byte messages in shared memory, for threads and processes.

    Made by `create`, `connect`, `create_in` or `connect_to`. A handle may be used by many threads at once. It can be
    sent to another process by pickle, and survives a fork.
    """

    def __init__(self) -> None:
        raise TypeError("make a Channel with Channel.create(), connect(), create_in() or connect_to()")

    def _construct(self) -> None:
        _core.ChannelBase.__init__(self)


def _reconnect(cls: type[ChannelMethods], name: str, config: ChannelConfig) -> ChannelMethods:
    return cls.connect(name, config)
