"""A state machine over the whole public API of the channel: every answer is compared with the specification's.

Sequential: one thread calls, on several handles of one channel, in a buffer or in a named segment. Hypothesis draws the
calls and shrinks a failure to the few that matter. It also switches random subsets of the rules off, example by
example, so that long runs of one kind occur (Groce et al., *Swarm Testing*, 2012); no rule here needs to be weighted.

`machine_of` makes the machine of a class of channels; the one with a planted bug must fail it.
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
from typing import Any, ClassVar

from hypothesis import settings, target
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from harness.stateful.model import ENTRY_ALIGNMENT, ChannelModel, Message, Refusal, entry_bytes

__all__ = ["NAME_PREFIX", "ChannelMachine", "machine_of", "run_machine"]

NAME_PREFIX = f"ipc-model-{os.getpid()}-"
"""Of the segments that machines of this process make."""

_LONGEST_MS = 3
_MOST_HANDLES = 4
_PARTICIPANTS = 4
_ROUNDS = 3  # max_round_trips of the impatient handles

NO_TIMEOUT = "no time-out"


@dataclass
class _Handle:
    """A handle, and whether its retry policy has a limit: only then does a call without time-out end by itself."""

    channel: Any
    limited: bool

    def __repr__(self) -> str:
        return "impatient handle" if self.limited else "handle"


def _payload(seed: int, size: int) -> bytes:
    """Cheap bytes that differ from message to message, and along each message."""
    return bytes((seed * 37 + index * 7 + (index >> 8)) & 0xFF for index in range(size))


_seeds = st.integers(0, 255)
# small ones, and ones around the largest that fits: written as a distance from it, which shrinks to "just fits"
_sizes = st.one_of(st.integers(0, 41), st.integers(-1, 40).map(lambda below: -1 - (below + 1)))
_timeouts = st.sampled_from([0, 1, _LONGEST_MS])  # ms
_waits = st.one_of(st.just(NO_TIMEOUT), _timeouts)


class ChannelMachine(RuleBasedStateMachine):
    """The machine; `machine_of` fills in what it runs on.

    Attributes:
        channel_class: what is tested. library: the module that has its errors, ``ChannelConfig`` and ``suggest_size``.
        picklable: can pickle find the class by its name?
        executed: examples that were begun, over all runs of this class.
    """

    channel_class: ClassVar[Any]
    library: ClassVar[Any]
    picklable: ClassVar[bool]
    executed: ClassVar[int] = 0

    handles: Bundle[_Handle] = Bundle("handles")

    def __init__(self) -> None:
        super().__init__()
        type(self).executed += 1
        self.model = ChannelModel(0)
        self.open_handles: list[_Handle] = []
        self.name = ""
        self.named = False  # does the segment's name still exist?
        self.buffer: bytearray | None = None

    # ---- the channel and its handles

    @initialize(
        target=handles,
        capacity=st.one_of(st.integers(64, 200), st.integers(201, 2000)),
        in_segment=st.booleans(),
        limited=st.booleans(),
        spare=st.integers(0, 15),
    )
    def create(self, capacity: int, in_segment: bool, limited: bool, spare: int) -> _Handle:
        rounded = -(-capacity // 16) * 16
        self.model = ChannelModel(rounded)
        if in_segment:
            self.name, self.named = NAME_PREFIX + secrets.token_hex(6), True
            create = self.channel_class.create
            channel = create(self.name, capacity, self._config(limited), participants=_PARTICIPANTS)
        else:
            self.buffer = bytearray(self.library.suggest_size(capacity, _PARTICIPANTS) + spare)
            channel = self.channel_class.create_in(self.buffer, self._config(limited), participants=_PARTICIPANTS)
        assert (channel.capacity, channel.max_message) == (rounded, self.model.max_message)
        assert channel.name == self.name
        return self._opened(channel, limited)

    @precondition(lambda self: len(self.open_handles) < _MOST_HANDLES)
    @rule(target=handles, limited=st.booleans())
    def connect(self, limited: bool) -> Any:
        """Another handle; also the first one after all were closed."""
        config = self._config(limited)
        if self.buffer is not None:
            return self._opened(self.channel_class.connect_to(self.buffer, config), limited)
        if not self.named:
            self._refused("ChannelNotFound", lambda: self.channel_class.connect(self.name, config))
            return multiple()
        return self._opened(self.channel_class.connect(self.name, config), limited)

    @precondition(lambda self: len(self.open_handles) < _MOST_HANDLES)
    @rule(target=handles, handle=handles)
    def send_by_pickle(self, handle: _Handle) -> Any:
        """In a segment: another handle, with the same policy. In a buffer: an error that says what to do."""
        if self.buffer is not None:
            self._refused("TypeError", lambda: pickle.dumps(handle.channel))
            return multiple()
        constructor, arguments = handle.channel.__reduce__()[:2]  # what pickle calls; a planted class has no module
        if not self.named:
            self._refused("ChannelNotFound", lambda: constructor(*arguments))
            return multiple()
        channel = pickle.loads(pickle.dumps(handle.channel)) if self.picklable else constructor(*arguments)
        assert channel.config == handle.channel.config
        return self._opened(channel, handle.limited)

    @precondition(lambda self: self.named)
    @rule(capacity=st.integers(64, 200))
    def create_again(self, capacity: int) -> None:
        """A second create of a living name is an error, not a wipe."""
        self._refused("ChannelExists", lambda: self.channel_class.create(self.name, capacity))

    @rule(handle=handles)
    def unlink(self, handle: _Handle) -> None:
        if self.buffer is not None:
            self._refused("ValueError", handle.channel.unlink)
            return
        assert handle.channel.unlink() == self.named
        self.named = False

    @rule(handle=consumes(handles))
    def close(self, handle: _Handle) -> None:
        """Every operation of a closed handle says so; closing it again is allowed."""
        self.open_handles.remove(handle)
        channel = handle.channel
        channel.close()
        channel.close()
        assert channel.closed
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

    # ---- writing

    @rule(handle=handles, seed=_seeds, size=_sizes)
    def try_write(self, handle: _Handle, seed: int, size: int) -> None:
        data = self._data(seed, size)
        self._check_write(handle, self.model.write(data), lambda: handle.channel.try_write(data), "ChannelFull", data)

    @rule(handle=handles, seed=_seeds, size=_sizes, timeout=_waits)
    def write(self, handle: _Handle, seed: int, size: int, timeout: int | str) -> None:
        data = self._data(seed, size)
        too_large = len(data) > self.model.max_message
        timeout = self._patience(handle, timeout, too_large or self._has_room(handle, entry_bytes(len(data))))
        full = "ChannelFull" if timeout == NO_TIMEOUT else "ChannelTimeout"
        seconds = _seconds(timeout)
        expected = self.model.write(data)
        began = time.monotonic_ns()
        self._check_write(handle, expected, lambda: handle.channel.write(data, seconds), full, data)
        if expected is Refusal.FULL:
            self._not_early(timeout, began)

    @rule(handle=handles, seed=_seeds, sizes=st.lists(_sizes, max_size=6), timeout=_waits)
    def write_many(self, handle: _Handle, seed: int, sizes: list[int], timeout: int | str) -> None:
        batch = [self._data(seed + number, size) for number, size in enumerate(sizes)]
        needed = sum(entry_bytes(len(data)) for data in batch)
        timeout = self._patience(handle, timeout, not batch or self._has_room(handle, needed))
        full = "ChannelFull" if timeout == NO_TIMEOUT else "ChannelTimeout"
        ids, refusal = self.model.write_many(batch)
        if refusal is None:
            assert list(handle.channel.write_many(batch, _seconds(timeout))) == ids
        else:
            name = full if refusal is Refusal.FULL else refusal.value
            error = self._refused(name, lambda: handle.channel.write_many(batch, _seconds(timeout)))
            assert list(error.written) == ids, f"write_many says that it wrote {error.written}; expected {ids}"

    @rule(handle=handles, immediate=st.booleans())
    def shutdown(self, handle: _Handle, immediate: bool) -> None:
        handle.channel.shutdown(immediate)
        self.model.shutdown()
        if immediate:
            self.model.messages.clear()

    # ---- reading

    @rule(handle=handles)
    def try_read(self, handle: _Handle) -> None:
        self._check_entry(self.model.read(), handle.channel.try_read)

    @rule(handle=handles)
    def peek(self, handle: _Handle) -> None:
        self._check_entry(self.model.peek(), handle.channel.peek)

    @rule(handle=handles, timeout=_waits)
    def read(self, handle: _Handle, timeout: int | str) -> None:
        timeout = self._patience(handle, timeout, self._has_message(handle))
        empty = "ChannelRetryLimit" if timeout == NO_TIMEOUT else "ChannelTimeout"
        expected = self.model.read()
        began = time.monotonic_ns()
        if expected is None:
            self._refused(empty, lambda: handle.channel.read(_seconds(timeout)))
            self._not_early(timeout, began)
        else:
            self._check_entry(expected, lambda: handle.channel.read(_seconds(timeout)))

    @rule(handle=handles, room=_sizes, timeout=_waits)
    def read_into(self, handle: _Handle, room: int, timeout: int | str) -> None:
        timeout = self._patience(handle, timeout, self._has_message(handle))
        empty = "ChannelRetryLimit" if timeout == NO_TIMEOUT else "ChannelTimeout"
        buffer = bytearray(len(self._data(0, room)))
        head = self.model.peek()
        call = partial(handle.channel.read_into, buffer, _seconds(timeout))
        if head is None:
            self._refused(empty, call)
        elif isinstance(head, Refusal):
            self._refused(head.value, call)
        elif len(head.data) > len(buffer):
            error = self._refused(Refusal.BUFFER_TOO_SMALL.value, call)
            assert (error.size, error.room) == (len(head.data), len(buffer))
        else:
            self.model.read()
            assert call() == (head.id, len(head.data))
            assert bytes(buffer[: len(head.data)]) == head.data

    @rule(handle=handles, limit=st.integers(1, 8))
    def try_read_many(self, handle: _Handle, limit: int) -> None:
        self._check_batch(self.model.read_many(limit), lambda: handle.channel.try_read_many(limit))

    @rule(handle=handles, limit=st.integers(1, 8), timeout=_waits)
    def read_many(self, handle: _Handle, limit: int, timeout: int | str) -> None:
        timeout = self._patience(handle, timeout, self._has_message(handle))
        empty = "ChannelRetryLimit" if timeout == NO_TIMEOUT else "ChannelTimeout"
        expected = self.model.read_many(limit)
        call = partial(handle.channel.read_many, limit, _seconds(timeout))
        if expected == []:
            self._refused(empty, call)
        else:
            self._check_batch(expected, call)

    @precondition(lambda self: not self.model.open)
    @rule(handle=handles)
    def iterate(self, handle: _Handle) -> None:
        """After the end of the stream, a loop over the channel drains it and ends."""
        drained = []
        for entry in handle.channel:
            drained.append(Message(entry.id, entry.data))
            assert len(drained) <= len(self.model.messages), f"more came out than was in: {drained[-1]}"
        assert drained == list(self.model.messages)
        self.model.messages.clear()

    # ---- skipping

    @rule(handle=handles)
    def skip_the_head(self, handle: _Handle) -> None:
        self._check_skip(handle, self.model.head)

    @rule(handle=handles, offset=st.integers(-4, 12).filter(bool))
    def skip_another(self, handle: _Handle, offset: int) -> None:
        """An id from before the head, of a later entry, or never issued."""
        self._check_skip(handle, max(0, self.model.head + 16 * offset))

    @rule(handle=handles, entry_id=st.sampled_from([1, 8, 2**63, 2**64 - 1]))
    def skip_nonsense(self, handle: _Handle, entry_id: int) -> None:
        """An id that no entry can have."""
        self._check_skip(handle, entry_id)

    @rule(handle=handles)
    def skip_force(self, handle: _Handle) -> None:
        expected = self.model.skip_force()
        if isinstance(expected, Refusal):
            self._refused(expected.value, handle.channel.skip_force)
        else:
            assert handle.channel.skip_force() == expected

    # ---- what is there

    @invariant()
    def state_is_exact(self) -> None:
        if not self.open_handles:
            return
        state, model = self.open_handles[-1].channel.state(), self.model
        seen = (state.entries, state.bytes, state.head, state.tail, state.open)
        expected = (len(model.messages), model.used, model.head, model.tail, model.open)
        assert seen == expected, f"state() is {seen}; expected {expected} (entries, bytes, head, tail, open)"
        assert (state.capacity, state.max_message) == (model.capacity, model.max_message)

    def teardown(self) -> None:
        try:
            if self.model.capacity:
                # many laps around a small ring are what wrap-around bugs need; a ring fuller than by chance, accounting
                target(min(self.model.tail / self.model.capacity, 8.0), label="laps around the ring")
                target(self.model.used / self.model.capacity, label="share of the ring in use at the end")
        finally:
            self._clean_up()

    # ---- how answers are compared

    def _clean_up(self) -> None:
        for handle in self.open_handles:
            handle.channel.close()
        if self.named:
            # through the library: there may be no handle left that knows the name
            rest = self.channel_class.connect(self.name)
            try:
                rest.unlink()
            finally:
                rest.close()

    def _config(self, limited: bool) -> Any:
        return self.library.ChannelConfig(max_round_trips=_ROUNDS if limited else None, max_sleep_ns=20_000)

    def _opened(self, channel: Any, limited: bool) -> _Handle:
        handle = _Handle(channel, limited)
        self.open_handles.append(handle)
        return handle

    def _data(self, seed: int, size: int) -> bytes:
        """Sizes below zero count down from one beyond the largest."""
        return _payload(seed, size if size >= 0 else max(0, self.model.max_message + 2 + size))

    def _patience(self, handle: _Handle, timeout: int | str, at_once: bool) -> int | str:
        """The time-out to use: a call that would wait for ever is not made.

        Args:
            handle: of the call. timeout: that was drawn. at_once: must the call return without waiting?
        """
        return 0 if timeout == NO_TIMEOUT and not handle.limited and not at_once else timeout

    def _has_room(self, handle: _Handle, needed: int) -> bool:
        """Is there room, both by the specification and in fact? Where they differ, the invariant will tell."""
        used = max(self.model.used, handle.channel.state().bytes)
        return not self.model.open or used + needed + ENTRY_ALIGNMENT <= self.model.capacity

    def _has_message(self, handle: _Handle) -> bool:
        """Will a read return at once, both by the specification and in fact?"""
        head = self.model.peek()
        if isinstance(head, Message):
            self._check_entry(head, handle.channel.peek)
        return head is not None

    def _check_write(
        self, handle: _Handle, expected: int | Refusal, call: Callable[[], Any], full: str, data: bytes
    ) -> None:
        if not isinstance(expected, Refusal):
            assert call() == expected
            return
        error = self._refused(full if expected is Refusal.FULL else expected.value, call)
        if expected is Refusal.TOO_LARGE:
            assert (error.size, error.max_message) == (len(data), self.model.max_message)
        elif isinstance(error, self.library.ChannelFull):
            assert (error.needed, error.capacity) == (entry_bytes(len(data)), handle.channel.capacity)

    def _check_entry(self, expected: Message | Refusal | None, call: Callable[[], Any]) -> None:
        if isinstance(expected, Refusal):
            self._refused(expected.value, call)
            return
        entry = call()
        if expected is None:
            assert entry is None, f"entry {entry.id} came out of an empty channel"
        else:
            assert entry is not None, f"nothing came out; expected entry {expected.id}"
            _same(Message(entry.id, entry.data), expected)

    def _check_batch(self, expected: list[Message] | Refusal, call: Callable[[], Any]) -> None:
        if isinstance(expected, Refusal):
            self._refused(expected.value, call)
            return
        entries = call()
        assert [entry.id for entry in entries] == [message.id for message in expected]
        for entry, message in zip(entries, expected, strict=True):
            _same(Message(entry.id, entry.data), message)

    def _check_skip(self, handle: _Handle, entry_id: int) -> None:
        expected = self.model.skip(entry_id)
        if isinstance(expected, Refusal):
            self._refused(expected.value, lambda: handle.channel.skip(entry_id))
            return
        result = handle.channel.skip(entry_id)
        assert (result.removed, result.head) == expected, f"skip({entry_id}) says {result}; expected {expected}"
        assert bool(result) == expected[0]

    def _refused(self, name: str, call: Callable[[], Any]) -> Any:
        """The error of that very class that the call raises."""
        kind = getattr(self.library, name, None) or getattr(builtins, name)
        try:
            answer = call()
        except Exception as error:
            if type(error) is not kind:
                raise AssertionError(f"expected {name}; raised {error!r}") from error
            return error
        raise AssertionError(f"expected {name}; got {answer!r}")

    @staticmethod
    def _not_early(timeout: int | str, began: int) -> None:
        if isinstance(timeout, int):
            passed = time.monotonic_ns() - began
            assert passed >= timeout * 1_000_000, f"a time-out of {timeout} ms was reported after {passed:,} ns"


def _seconds(timeout: int | str) -> float | None:
    return timeout / 1000 if isinstance(timeout, int) else None


def _same(seen: Message, expected: Message) -> None:
    assert seen.id == expected.id, f"entry {seen.id} came out; expected entry {expected.id}"
    assert len(seen.data) == len(expected.data), (
        f"entry {seen.id} has {len(seen.data)} bytes; wrote {len(expected.data)}"
    )
    if seen.data != expected.data:
        at = next(i for i, (a, b) in enumerate(zip(seen.data, expected.data, strict=True)) if a != b)
        raise AssertionError(f"byte {at} of entry {seen.id} is {seen.data[at]:#04x}; wrote {expected.data[at]:#04x}")


def machine_of(channel_class: type, library: ModuleType) -> type[ChannelMachine]:
    """The machine of a class of channels.

    Args:
        channel_class: has the constructors ``create``, ``connect``, ``create_in``, ``connect_to``.
        library: the module that has its errors, ``ChannelConfig`` and ``suggest_size``.
    """
    importable = getattr(sys.modules[channel_class.__module__], channel_class.__name__, None) is channel_class
    attributes = {"channel_class": channel_class, "library": library, "executed": 0, "picklable": importable}
    return type(f"Machine[{channel_class.__name__}]", (ChannelMachine,), attributes)


def run_machine(machine: type[ChannelMachine], chosen: settings) -> int:
    """Run a machine as a test; returns how many examples were executed (fails with the shrunk one)."""
    before = machine.executed
    run_state_machine_as_test(machine, settings=chosen)
    return machine.executed - before
