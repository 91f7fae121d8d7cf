"""This project's channel as a system under test, faithful or with a planted bug."""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from channel import Channel, ChannelConfig, _core, suggest_size
from channel._api import ChannelMethods
from channel.errors import (
    ChannelClosed,
    ChannelCorrupted,
    ChannelError,
    ChannelFull,
    ChannelRetryLimit,
    ChannelTimeout,
    MessageTooLarge,
)
from harness import _native, mutants
from harness.operation import NO_ID, Kind, Status
from harness.systems.base import Answer, NativeTarget, Setup

__all__ = ["SEGMENT_PREFIX", "ChannelEndpoint", "ChannelSystem", "PlantedChannel", "sweep"]

SEGMENT_PREFIX = "ipc-harness-"
_SHUTDOWN_TIMEOUT = 2.0
_EXECUTOR_SLOTS = 3  # of the handle that creates, of the one that ends the stream and drains, of the one that wakes


if TYPE_CHECKING:
    _PlantedBase = object  # ChannelMethods has the operations already, typed; those of the planted base are the same
else:
    _PlantedBase = _native.PlantedChannelBase


class PlantedChannel(ChannelMethods, _PlantedBase):
    """The channel with a planted bug, behind the same Python API. Subclassed per bug by `planted_class`."""

    _mutant: mutants.Mutant

    def _construct(self) -> None:
        base: Any = _native.PlantedChannelBase
        base.__init__(self, self._mutant.design())


def planted_class(mutant: mutants.Mutant) -> type[PlantedChannel]:
    """A class of channels that all have this bug."""
    return type(f"PlantedChannel[{mutant.spec}]", (PlantedChannel,), {"_mutant": mutant})


@dataclass(frozen=True)
class Address:
    """Where a channel is: the name of a segment, or a buffer that the threads of this process share."""

    config: dict[str, Any]
    segment: str = ""
    buffer: mmap.mmap | None = None


class ChannelSystem:
    """This project's channel: in a named segment for processes, in private memory for threads.

    Args:
        mutant: planted bug, as `harness.mutants.parse` reads it; None: the production channel.
        in_segment: True puts the channel of threads into a named segment too.
    """

    operations: frozenset[Kind] = frozenset(kind for kind in Kind if kind.runs)
    ends = True

    def __init__(self, mutant: str | None = None, *, in_segment: bool = False) -> None:
        self._mutant = None if mutant is None else mutants.parse(mutant)
        self._in_segment = in_segment
        self._made: dict[int, tuple[Address, ChannelMethods, _native.Attachment]] = {}

    @property
    def name(self) -> str:
        return "channel" if self._mutant is None else f"channel with {self._mutant.spec}"

    def __reduce__(self) -> tuple[Any, ...]:
        return ChannelSystem, (None if self._mutant is None else self._mutant.spec,)

    def _class(self) -> type[ChannelMethods]:
        return Channel if self._mutant is None else planted_class(self._mutant)

    def create(self, setup: Setup) -> Address:
        config = ChannelConfig(**setup.config)
        participants = setup.participants + _EXECUTOR_SLOTS
        if setup.processes or self._in_segment:
            sweep()
            name = f"{SEGMENT_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
            channel = self._class().create(name, setup.capacity, config, participants)
            address = Address(setup.config, name)
            waker = _native.Attachment.segment(name)
        else:
            size = suggest_size(setup.capacity, participants)
            memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            channel = self._class().create_in(memory, config, participants)
            address = Address(setup.config, buffer=memory)
            waker = _native.Attachment.buffer(memory)
        self._made[id(address)] = (address, channel, waker)
        return address

    def attach(self, address: Address) -> ChannelEndpoint:
        config = ChannelConfig(**address.config)
        channel = (
            self._class().connect(address.segment, config)
            if address.segment
            else self._class().connect_to(_present(address.buffer), config)
        )
        return ChannelEndpoint(channel, _core.last_effort if self._mutant is None else _native.last_effort)

    def native(self, address: Address) -> NativeTarget:
        mutant = "" if self._mutant is None else self._mutant.spec
        return NativeTarget(address.segment, ChannelConfig(**address.config).policy(), mutant)

    def accounted_capacity(self, setup: Setup) -> int:
        return -(-setup.capacity // 16) * 16 - 16  # the terminator's

    def wake(self, address: Address) -> None:
        self._made[id(address)][2].wake()

    def hide(self, address: Address) -> None:
        if address.segment:
            _core.unlink_segment(address.segment)

    def destroy(self, address: Address) -> None:
        _, channel, _ = self._made.pop(id(address))
        try:
            self.hide(address)
        finally:
            channel.close()


class ChannelEndpoint:
    """A handle of the channel, its exceptions turned into answers."""

    def __init__(self, channel: ChannelMethods, last_effort: Callable[[], tuple[int, int]]) -> None:
        self._channel = channel
        self._effort = last_effort

    def write(self, data: bytes, timeout: int | None) -> Answer:
        try:
            entry_id = self._channel.write(data, _seconds(timeout))
        except ChannelError as error:
            return self._refused(error)
        return Answer(Status.OK, entry_id, None, *self._effort())

    def try_write(self, data: bytes) -> Answer:
        try:
            entry_id = self._channel.try_write(data)
        except ChannelError as error:
            return self._refused(error)
        return Answer(Status.OK, entry_id, None, *self._effort())

    def write_many(self, messages: Sequence[bytes], timeout: int | None) -> tuple[list[int], Answer]:
        try:
            ids = self._channel.write_many(messages, _seconds(timeout))
        except ChannelError as error:
            return list(error.written), self._refused(error)
        return list(ids), Answer(Status.OK, NO_ID, None, *self._effort())

    def read(self, timeout: int | None) -> Answer:
        try:
            entry = self._channel.read(_seconds(timeout))
        except ChannelError as error:
            return self._refused(error)
        return Answer(Status.OK, entry.id, entry.data, *self._effort())

    def try_read(self) -> Answer:
        try:
            entry = self._channel.try_read()
        except ChannelError as error:
            return self._refused(error)
        if entry is None:
            return Answer(Status.EMPTY, NO_ID, None, *self._effort())
        return Answer(Status.OK, entry.id, entry.data, *self._effort())

    def read_many(self, limit: int, timeout: int | None) -> tuple[list[tuple[int, bytes]], Answer]:
        try:
            entries = self._channel.read_many(limit, _seconds(timeout))
        except ChannelError as error:
            return [], self._refused(error)
        return [(entry.id, entry.data) for entry in entries], Answer(Status.OK, NO_ID, None, *self._effort())

    def peek(self) -> Answer:
        try:
            entry = self._channel.peek()
        except ChannelError as error:
            return self._refused(error)
        if entry is None:
            return Answer(Status.EMPTY, NO_ID, None, *self._effort())
        return Answer(Status.OK, entry.id, entry.data, *self._effort())

    def skip(self, entry_id: int) -> Answer:
        try:
            removed, head = self._channel._skip(entry_id)
        except ChannelError as error:
            return self._refused(error)
        if head is None:
            return Answer(Status.EMPTY, NO_ID, None, *self._effort())
        return Answer(Status.OK if removed else Status.MISMATCH, head, None, *self._effort())

    def skip_force(self) -> Answer:
        try:
            entry_id = self._channel.skip_force()
        except ChannelError as error:
            return self._refused(error)
        if entry_id is None:
            return Answer(Status.EMPTY, NO_ID, None, *self._effort())
        return Answer(Status.OK, entry_id, None, *self._effort())

    def shutdown(self) -> bool:
        try:
            self._channel.shutdown(timeout=_SHUTDOWN_TIMEOUT)
        except ChannelError:
            return False
        return True

    def close(self) -> None:
        self._channel.close()

    def _refused(self, error: ChannelError) -> Answer:
        for kind, status in _STATUSES:
            if isinstance(error, kind):
                return Answer(status, NO_ID, None, *self._effort())
        raise error


# ChannelRetryLimit is a ChannelTimeout, so it comes first.
_STATUSES: tuple[tuple[type[ChannelError], Status], ...] = (
    (ChannelFull, Status.FULL),
    (ChannelRetryLimit, Status.RETRY_LIMIT),
    (ChannelTimeout, Status.TIMEOUT),
    (ChannelClosed, Status.CLOSED),
    (MessageTooLarge, Status.TOO_LARGE),
    (ChannelCorrupted, Status.CORRUPTED),
)


def _seconds(timeout: int | None) -> float | None:
    return None if timeout is None else timeout / 1e9


def _present(buffer: mmap.mmap | None) -> mmap.mmap:
    if buffer is None:
        raise ValueError("an address in a buffer is of use only in the process that made it")
    return buffer


def sweep() -> list[str]:
    """Remove segments that a killed executor left behind: of this prefix, and nobody attached."""
    return _core.sweep_segments(SEGMENT_PREFIX)
