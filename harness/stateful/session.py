"""Calls on a channel, each answer compared with the specification's.

A session is one thread with several handles of one channel, in a buffer or in a named segment, and the `ChannelModel`
beside it. It knows nothing of Hypothesis: `harness.stateful.machine` draws what it does; and it waits for whatever the
channel does: `harness.stateful.confined` watches it.
"""

from __future__ import annotations

import builtins
import os
import pickle
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from harness.stateful.model import ENTRY_ALIGNMENT, ChannelModel, Message, Refusal, entry_bytes
from harness.stateful.sequence import NO_TIMEOUT, Start, Step

__all__ = ["CALLS", "MOST_HANDLES", "NAME_PREFIX", "NotAsSpecified", "Session"]

NAME_PREFIX = f"ipc-model-{os.getpid()}-"
"""Of the segments that sessions of this process and its children make."""

MOST_HANDLES = 4
_PARTICIPANTS = 4
_ROUNDS = 3  # max_round_trips of the impatient handles


class NotAsSpecified(AssertionError):
    """The channel answered what the specification does not allow; the message says what."""


@dataclass
class _Handle:
    """A handle, and whether its retry policy has a limit: only then does a call without time-out end by itself."""

    channel: Any
    limited: bool


def _payload(seed: int, size: int) -> bytes:
    """Cheap bytes that differ from message to message, and along each message."""
    return bytes((seed * 37 + index * 7 + (index >> 8)) & 0xFF for index in range(size))


class Session:
    """One thread's calls. The methods that are named in `CALLS` are calls; they return what came of it, in a word.

    Args:
        channel_class: what is tested; has the constructors ``create``, ``connect``, ``create_in``, ``connect_to``.
        library: the module that has its errors, ``ChannelConfig`` and ``suggest_size``.
        start: the channel at the beginning.

    Attributes:
        model: the specification's state.
    """

    def __init__(self, channel_class: Any, library: ModuleType, start: Start) -> None:
        self._class, self._library = channel_class, library
        module = sys.modules[channel_class.__module__]
        self._picklable = getattr(module, channel_class.__name__, None) is channel_class
        self._open: list[_Handle] = []
        self._name = ""
        self._named = False  # does the segment's name still exist?
        self._buffer: bytearray | None = None
        self.model = ChannelModel(-(-start.capacity // 16) * 16)
        if start.in_segment:
            self._name, self._named = f"{NAME_PREFIX}{os.getpid()}-{secrets.token_hex(6)}", True
            config = self._config(start.limited)
            channel = channel_class.create(self._name, start.capacity, config, participants=_PARTICIPANTS)
        else:
            self._buffer = bytearray(library.suggest_size(start.capacity, _PARTICIPANTS) + start.spare)
            channel = channel_class.create_in(self._buffer, self._config(start.limited), participants=_PARTICIPANTS)
        self._opened(channel, start.limited)
        _equal((channel.capacity, channel.max_message), (self.model.capacity, self.model.max_message), "its sizes")
        _equal(channel.name, self._name, "its name")
        self.check_state()

    @property
    def handles(self) -> int:
        """How many are open."""
        return len(self._open)

    def applies(self, name: str) -> bool:
        """Can this call be made in this state?"""
        if name == "connect":
            return self.handles < MOST_HANDLES
        if name == "create_again":
            return self._named
        if name == "send_by_pickle":
            return 0 < self.handles < MOST_HANDLES
        if name == "close":
            return self.handles > 1
        if name == "reopen":
            return self.handles == 1 and (self._buffer is not None or self._named)
        return self.handles > 0

    def perform(self, step: Step) -> str:
        """Make the call, compare its answer and the state after it.

        Returns:
            What came of it: ``"ok"``, ``"empty"``, or the name of the error that was due.

        Raises:
            NotAsSpecified: another answer, another state. Also whatever the channel raises and should not.
        """
        arguments = dict(step.arguments)
        if "handle" in arguments:
            arguments["handle"] = self._open[arguments["handle"] % self.handles]
        outcome: str = getattr(self, step.name)(**arguments)
        self.check_state()
        return outcome

    def check_state(self) -> None:
        """``state()`` is exact, to the byte."""
        if not self._open:
            return
        state, model = self._open[-1].channel.state(), self.model
        seen = (state.entries, state.bytes, state.head, state.tail, state.open)
        expected = (len(model.messages), model.used, model.head, model.tail, model.open)
        _equal(seen, expected, "(entries, bytes, head, tail, open) of state()")
        _equal((state.capacity, state.max_message), (model.capacity, model.max_message), "the sizes of state()")

    def close_all(self) -> None:
        """Close every handle and remove the segment."""
        for handle in self._open:
            handle.channel.close()
        if self._named:
            # through the library: there may be no handle left that knows the name
            rest = self._class.connect(self._name)
            try:
                rest.unlink()
            finally:
                rest.close()

    # ---- the channel and its handles

    def connect(self, limited: bool) -> str:
        """Another handle."""
        config = self._config(limited)
        if self._buffer is not None:
            return self._opened(self._class.connect_to(self._buffer, config), limited)
        if not self._named:
            return self._refused("ChannelNotFound", lambda: self._class.connect(self._name, config))[0]
        return self._opened(self._class.connect(self._name, config), limited)

    def send_by_pickle(self, handle: _Handle) -> str:
        """In a segment: another handle, with the same policy. In a buffer: an error that says what to do."""
        if self._buffer is not None:
            return self._refused("TypeError", lambda: pickle.dumps(handle.channel))[0]
        constructor, arguments = handle.channel.__reduce__()[:2]  # what pickle calls; a planted class has no module
        if not self._named:
            return self._refused("ChannelNotFound", lambda: constructor(*arguments))[0]
        channel = pickle.loads(pickle.dumps(handle.channel)) if self._picklable else constructor(*arguments)
        _equal(channel.config, handle.channel.config, "the policy that travelled")
        return self._opened(channel, handle.limited)

    def create_again(self, capacity: int) -> str:
        """A second create of a living name is an error, not a wipe."""
        return self._refused("ChannelExists", lambda: self._class.create(self._name, capacity))[0]

    def unlink(self, handle: _Handle) -> str:
        if self._buffer is not None:
            return self._refused("ValueError", handle.channel.unlink)[0]
        _equal(handle.channel.unlink(), self._named, "unlink()")
        outcome = "ok" if self._named else "gone already"
        self._named = False
        return outcome

    def close(self, handle: _Handle) -> str:
        """Every operation of a closed handle says so; closing it again is allowed."""
        self._open.remove(handle)
        channel = handle.channel
        channel.close()
        channel.close()
        _equal(channel.closed, True, "closed after close()")
        for operation in (
            lambda: channel.write(b"", 0),
            lambda: channel.try_write(b""),
            lambda: channel.write_many([b""], 0),
            lambda: channel.read(0),
            channel.try_read,
            lambda: channel.read_many(1, 0),
            lambda: channel.read_into(bytearray(8), 0),
            channel.peek,
            lambda: channel.skip(0),
            channel.skip_force,
            channel.state,
            channel.shutdown,
        ):
            self._refused("HandleClosed", operation)
        return "ok"

    def reopen(self, handle: _Handle) -> str:
        """Close the only handle; what it left behind is there for the next."""
        self.close(handle)
        return self.connect(handle.limited)

    # ---- writing

    def try_write(self, handle: _Handle, seed: int, size: int) -> str:
        data = self._data(seed, size)
        return self._checked_write(
            handle, self.model.write(data), lambda: handle.channel.try_write(data), "ChannelFull", data
        )

    def write(self, handle: _Handle, seed: int, size: int, timeout: int | str) -> str:
        data = self._data(seed, size)
        too_large = len(data) > self.model.max_message
        timeout = self._patience(handle, timeout, too_large or self._has_room(handle, entry_bytes(len(data))))
        full = "ChannelFull" if timeout == NO_TIMEOUT else "ChannelTimeout"
        call = partial(handle.channel.write, data, _seconds(timeout))
        began = time.monotonic_ns()
        outcome = self._checked_write(handle, self.model.write(data), call, full, data)
        return _not_early(timeout, began) if outcome == "ChannelTimeout" else outcome

    def write_many(self, handle: _Handle, seed: int, sizes: list[int], timeout: int | str) -> str:
        batch = [self._data(seed + number, size) for number, size in enumerate(sizes)]
        needed = sum(entry_bytes(len(data)) for data in batch)
        timeout = self._patience(handle, timeout, not batch or self._has_room(handle, needed))
        full = "ChannelFull" if timeout == NO_TIMEOUT else "ChannelTimeout"
        call = partial(handle.channel.write_many, batch, _seconds(timeout))
        ids, refusal = self.model.write_many(batch)
        began = time.monotonic_ns()
        if refusal is None:
            _equal(list(call()), ids, "the ids of write_many()")
            return "ok" if ids else "nothing to write"
        outcome, error = self._refused(full if refusal is Refusal.FULL else refusal.value, call)
        _equal(list(error.written), ids, "what write_many() says that it wrote")
        if outcome == "ChannelTimeout":
            _not_early(timeout, began)
        return f"{outcome} after some" if ids else outcome

    def shutdown(self, handle: _Handle, immediate: bool) -> str:
        handle.channel.shutdown(immediate)
        self.model.shutdown()
        if immediate:
            self.model.messages.clear()
        return "ok"

    # ---- reading

    def try_read(self, handle: _Handle) -> str:
        return self._checked_entry(self.model.read(), handle.channel.try_read)

    def peek(self, handle: _Handle) -> str:
        return self._checked_entry(self.model.peek(), handle.channel.peek)

    def read(self, handle: _Handle, timeout: int | str) -> str:
        timeout = self._patience(handle, timeout, self._has_message(handle))
        call = partial(handle.channel.read, _seconds(timeout))
        expected = self.model.read()
        return self._refused_empty(timeout, call) if expected is None else self._checked_entry(expected, call)

    def read_into(self, handle: _Handle, room: int, timeout: int | str) -> str:
        timeout = self._patience(handle, timeout, self._has_message(handle))
        buffer = bytearray(len(self._data(0, room)))
        head = self.model.peek()
        call = partial(handle.channel.read_into, buffer, _seconds(timeout))
        if head is None:
            return self._refused_empty(timeout, call)
        if isinstance(head, Refusal):
            return self._refused(head.value, call)[0]
        if len(head.data) > len(buffer):
            outcome, error = self._refused(Refusal.BUFFER_TOO_SMALL.value, call)
            _equal((error.size, error.room), (len(head.data), len(buffer)), "(size, room) of the error")
            return outcome
        self.model.read()
        entry_id, size = call()
        _equal(size, len(head.data), "the size of read_into()")
        _same(Message(entry_id, bytes(buffer[:size])), head)
        return "ok"

    def try_read_many(self, handle: _Handle, limit: int) -> str:
        return self._checked_batch(self.model.read_many(limit), lambda: handle.channel.try_read_many(limit))

    def read_many(self, handle: _Handle, limit: int, timeout: int | str) -> str:
        timeout = self._patience(handle, timeout, self._has_message(handle))
        call = partial(handle.channel.read_many, limit, _seconds(timeout))
        expected = self.model.read_many(limit)
        return self._refused_empty(timeout, call) if expected == [] else self._checked_batch(expected, call)

    def iterate(self, handle: _Handle) -> str:
        """End the stream; then a loop over the channel drains it and ends."""
        self.shutdown(handle, immediate=False)
        outcome = "ok" if self.model.messages else "empty"
        for entry in handle.channel:
            expected = self.model.read()
            if not isinstance(expected, Message):
                raise NotAsSpecified(f"entry {entry.id} came out of a drained channel")
            _same(Message(entry.id, entry.data), expected)
        _equal(len(self.model.messages), 0, "the number of messages that the loop left behind")
        return outcome

    # ---- skipping

    def skip_the_head(self, handle: _Handle) -> str:
        return self._checked_skip(handle, self.model.head)

    def skip_another(self, handle: _Handle, offset: int) -> str:
        """An id from before the head, of a later entry, or never issued."""
        return self._checked_skip(handle, max(0, self.model.head + ENTRY_ALIGNMENT * offset))

    def skip_nonsense(self, handle: _Handle, entry_id: int) -> str:
        """An id that no entry can have."""
        return self._checked_skip(handle, entry_id)

    def skip_force(self, handle: _Handle) -> str:
        expected = self.model.skip_force()
        if isinstance(expected, Refusal):
            return self._refused(expected.value, handle.channel.skip_force)[0]
        _equal(handle.channel.skip_force(), expected, "skip_force()")
        return "empty" if expected is None else "ok"

    # ---- how answers are compared

    def _config(self, limited: bool) -> Any:
        return self._library.ChannelConfig(max_round_trips=_ROUNDS if limited else None, max_sleep_ns=20_000)

    def _opened(self, channel: Any, limited: bool) -> str:
        self._open.append(_Handle(channel, limited))
        return "ok"

    def _data(self, seed: int, size: int) -> bytes:
        """Sizes below zero count down: -1 is one byte more than the largest."""
        return _payload(seed, size if size >= 0 else max(0, self.model.max_message + 2 + size))

    def _patience(self, handle: _Handle, timeout: int | str, at_once: bool) -> int | str:
        """The time-out to use: a call that would wait for ever is not made.

        Args:
            handle: of the call. timeout: that was drawn. at_once: must the call return without waiting?
        """
        return 0 if timeout == NO_TIMEOUT and not handle.limited and not at_once else timeout

    def _has_room(self, handle: _Handle, needed: int) -> bool:
        """Is there room, both by the specification and in fact? Where they differ, the state will tell."""
        used = max(self.model.used, handle.channel.state().bytes)
        return not self.model.open or used + needed + ENTRY_ALIGNMENT <= self.model.capacity

    def _has_message(self, handle: _Handle) -> bool:
        """Will a read return at once, both by the specification and in fact?"""
        head = self.model.peek()
        if isinstance(head, Message):
            self._checked_entry(head, handle.channel.peek)
        return head is not None

    def _checked_write(
        self, handle: _Handle, expected: int | Refusal, call: Callable[[], Any], full: str, data: bytes
    ) -> str:
        if not isinstance(expected, Refusal):
            _equal(call(), expected, "the id of the message")
            return "ok"
        outcome, error = self._refused(full if expected is Refusal.FULL else expected.value, call)
        if expected is Refusal.TOO_LARGE:
            _equal((error.size, error.max_message), (len(data), self.model.max_message), "(size, max_message)")
        elif isinstance(error, self._library.ChannelFull):
            sizes = (entry_bytes(len(data)), handle.channel.capacity)
            _equal((error.needed, error.capacity), sizes, "(needed, capacity) of the error")
        return outcome

    def _checked_entry(self, expected: Message | Refusal | None, call: Callable[[], Any]) -> str:
        if isinstance(expected, Refusal):
            return self._refused(expected.value, call)[0]
        entry = call()
        if expected is None:
            if entry is not None:
                raise NotAsSpecified(f"entry {entry.id} came out of an empty channel")
            return "empty"
        if entry is None:
            raise NotAsSpecified(f"nothing came out; expected entry {expected.id}")
        _same(Message(entry.id, entry.data), expected)
        return "ok"

    def _checked_batch(self, expected: list[Message] | Refusal, call: Callable[[], Any]) -> str:
        if isinstance(expected, Refusal):
            return self._refused(expected.value, call)[0]
        entries = call()
        _equal([entry.id for entry in entries], [message.id for message in expected], "the ids of the batch")
        for entry, message in zip(entries, expected, strict=True):
            _same(Message(entry.id, entry.data), message)
        return "ok" if expected else "empty"

    def _checked_skip(self, handle: _Handle, entry_id: int) -> str:
        expected = self.model.skip(entry_id)
        if isinstance(expected, Refusal):
            return self._refused(expected.value, lambda: handle.channel.skip(entry_id))[0]
        result = handle.channel.skip(entry_id)
        _equal((result.removed, result.head), expected, f"(removed, head) of skip({entry_id})")
        _equal(bool(result), expected[0], f"the truth of skip({entry_id})")
        return "ok" if expected[0] else "empty" if expected[1] is None else "mismatch"

    def _refused_empty(self, timeout: int | str, call: Callable[[], Any]) -> str:
        began = time.monotonic_ns()
        outcome, _ = self._refused("ChannelRetryLimit" if timeout == NO_TIMEOUT else "ChannelTimeout", call)
        _not_early(timeout, began)
        return outcome

    def _refused(self, name: str, call: Callable[[], Any]) -> tuple[str, Any]:
        """The name, and the error of that very class that the call raises."""
        kind = getattr(self._library, name, None) or getattr(builtins, name)
        try:
            answer = call()
        except Exception as error:
            if type(error) is not kind:
                raise NotAsSpecified(f"expected {name}; raised {error!r}") from error
            return name, error
        raise NotAsSpecified(f"expected {name}; got {answer!r}")


CALLS = tuple(
    name
    for name, member in vars(Session).items()
    if callable(member) and not name.startswith("_") and name not in ("applies", "perform", "check_state", "close_all")
)
"""The methods of `Session` that are calls."""


def _seconds(timeout: int | str) -> float | None:
    return timeout / 1000 if isinstance(timeout, int) else None


def _not_early(timeout: int | str, began: int) -> str:
    """A time-out that was reported came not before its time; `began` is monotonic, ns."""
    passed = time.monotonic_ns() - began
    if isinstance(timeout, int) and passed < timeout * 1_000_000:
        raise NotAsSpecified(f"a time-out of {timeout} ms was reported after {passed / 1e6:.2f} ms")
    return "ChannelTimeout"


def _equal(seen: object, expected: object, what: str) -> None:
    if seen != expected:
        raise NotAsSpecified(f"{what}: {seen}; expected {expected}")


def _same(seen: Message, expected: Message) -> None:
    _equal(seen.id, expected.id, "the id of the entry that came out")
    _equal(len(seen.data), len(expected.data), f"the size of entry {seen.id}")
    if seen.data != expected.data:
        at = next(i for i, (a, b) in enumerate(zip(seen.data, expected.data, strict=True)) if a != b)
        raise NotAsSpecified(f"byte {at} of entry {seen.id} is {seen.data[at]:#04x}; wrote {expected.data[at]:#04x}")
