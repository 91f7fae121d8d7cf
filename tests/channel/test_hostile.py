"""Whatever stands in the block: no access outside it, no hang; ChannelCorrupted or an ordinary answer."""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel import Channel, ChannelConfig, ChannelCorrupted, ChannelError, ForeignMemory, suggest_size

OWNER, TAIL, HEAD_CACHE, HEAD = 64, 72, 80, 128
CAPACITY = 256
CONFIG = ChannelConfig(max_round_trips=64, start_sleep_ns=1, max_sleep_ns=10)


def put(memory: Any, at: int, value: int) -> None:
    memory[at : at + 8] = (value % 2**64).to_bytes(8, "little")


class Guarded:
    """Memory that ends where a page that must not be touched begins: an access beyond it kills the process."""

    def __init__(self, size: int) -> None:
        pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        self.map = mmap.mmap(-1, pages + mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(self._start + pages), mmap.PAGESIZE, 0) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
        self.view = memoryview(self.map)[pages - size : pages]


GUARDED = Guarded(suggest_size(CAPACITY))

CALLS: dict[str, Callable[[Channel], object]] = {
    "try_write": lambda c: c.try_write(b"x" * 20),
    "write": lambda c: c.write(b"", timeout=0),
    "write_many": lambda c: c.write_many([b"a", b"b" * 40], timeout=0),
    "try_read": lambda c: c.try_read(),
    "read": lambda c: c.read(timeout=0),
    "read_into": lambda c: c.read_into(bytearray(64), timeout=0),
    "try_read_many": lambda c: c.try_read_many(100),
    "peek": lambda c: c.peek(),
    "skip": lambda c: c.skip(0),
    "skip_force": lambda c: c.skip_force(),
    "state": lambda c: c.state(),
    "shutdown": lambda c: c.shutdown(timeout=0),
}

words = st.one_of(
    st.sampled_from([0, 1, 8, 15, 16, 248, 255, 256, 257, 2**32, 2**63, 2**64 - 1, 2**64 - 16, 2**64 - 8]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 1024),
)


@given(
    changes=st.lists(st.tuples(st.integers(8, suggest_size(CAPACITY) // 8 - 1), words), min_size=1, max_size=12),
    fixed=st.dictionaries(st.sampled_from([TAIL, HEAD, HEAD_CACHE]), words),
    calls=st.lists(st.sampled_from(sorted(CALLS)), min_size=1, max_size=8),
)
def test_any_words_in_the_block(changes: list[tuple[int, int]], fixed: dict[int, int], calls: list[str]) -> None:
    channel = Channel.create_in(GUARDED.view, config=CONFIG)
    try:
        channel.write(b"before")
        for index, value in changes:
            put(GUARDED.view, index * 8, value)
        for at, value in fixed.items():
            put(GUARDED.view, at, value)
        for call in calls:
            try:
                CALLS[call](channel)
            except ChannelError:
                continue
    finally:
        channel.close()


@pytest.mark.parametrize("position", [1, 8, 255, CAPACITY - 1, CAPACITY - 7, 2**64 - 1])
@pytest.mark.parametrize("call", ["try_read", "peek", "skip", "skip_force", "try_read_many", "state"])
def test_a_misplaced_head_is_corruption(position: int, call: str) -> None:
    channel = Channel.create_in(GUARDED.view, config=CONFIG)
    put(GUARDED.view, HEAD, position)
    with pytest.raises(ChannelCorrupted):
        CALLS[call](channel)
    channel.close()


@pytest.mark.parametrize("position", [2, 8, 24, 130])
def test_a_misplaced_tail_is_corruption(position: int) -> None:
    channel = Channel.create_in(GUARDED.view, config=CONFIG)
    put(GUARDED.view, TAIL, position)
    with pytest.raises(ChannelCorrupted):
        channel.try_write(b"")
    channel.close()


def test_a_tail_beyond_the_ring_is_no_state() -> None:
    channel = Channel.create_in(GUARDED.view, config=CONFIG)
    put(GUARDED.view, TAIL, 1 << 40)
    with pytest.raises(ChannelCorrupted):
        channel.state()
    channel.close()


@pytest.mark.parametrize("header", [200 << 1, (CAPACITY - 23) << 1 | 1, 0xFFFFFFFE << 1 | 1])
def test_an_impossible_header_is_corruption(header: int) -> None:
    channel = Channel.create_in(GUARDED.view, config=CONFIG)
    put(GUARDED.view, suggest_size(CAPACITY) - CAPACITY, header)
    for call in (channel.try_read, channel.peek, channel.skip_force):
        with pytest.raises(ChannelCorrupted):
            call()
    channel.close()


def test_an_owner_that_is_nobody_ends_in_the_retry_limit_not_in_a_hang() -> None:
    channel = Channel.create_in(GUARDED.view, config=CONFIG)
    put(GUARDED.view, OWNER, 77 << 12 | 3)
    with pytest.raises(TimeoutError):
        channel.try_write(b"")
    with pytest.raises(TimeoutError):
        channel.write(b"", timeout=0.001)
    assert channel.try_read() is None
    channel.close()


def test_a_recovery_from_a_tail_at_the_last_positions_ends() -> None:
    """A message beyond all positions leads back to the first ones, and on from there for ever."""
    with Channel.create(capacity=CAPACITY, participants=8) as channel:
        ring = suggest_size(CAPACITY, participants=8) - CAPACITY
        with Path("/dev/shm", channel.name).open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            put(memory, TAIL, -4 * CAPACITY)
            put(memory, ring, 0xFFFFFFFE << 1 | 1)
            put(memory, ring + 16, (CAPACITY - 8) << 1 | 1)
            put(memory, OWNER, 1 << 12 | 5)  # a slot that nobody holds: dead
        writer = multiprocessing.get_context("fork").Process(target=_write, args=(channel,))
        writer.start()
        writer.join(20)
        try:
            assert writer.exitcode == 0, "the call did not end"
        finally:
            writer.kill()
            writer.join()


def _write(channel: Channel) -> None:
    with pytest.raises(ChannelCorrupted):
        channel.write(b"", timeout=1)


@pytest.mark.parametrize("damage", ["magic", "version", "capacity", "checksum", "short"])
def test_foreign_memory_is_refused_untouched(damage: str) -> None:
    memory = bytearray(suggest_size(CAPACITY))
    Channel.create_in(memory).close()
    if damage == "short":
        memory = memory[:-16]
    else:
        memory[["magic", "version", "capacity", "participants", "checksum"].index(damage) * 8] ^= 3
    before = bytes(memory)
    with pytest.raises(ForeignMemory):
        Channel.connect_to(memory)
    assert memory == before


def test_a_bad_buffer_is_refused_with_the_rule() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        Channel.create_in(memoryview(bytearray(1024))[1:])
    with pytest.raises(ValueError, match=str(suggest_size(64))):
        Channel.create_in(bytearray(suggest_size(64) - 1))
    with pytest.raises((BufferError, TypeError)):
        Channel.create_in(bytes(1024))  # type: ignore[arg-type]
    with pytest.raises(ForeignMemory):
        Channel.connect_to(bytearray(16))


FAR = 10**400


@pytest.mark.parametrize(
    "call",
    [
        lambda channel: channel.read(FAR),
        lambda channel: channel.read_into(bytearray(8), FAR),
        lambda channel: channel.read_many(1, FAR),
        lambda channel: channel.write(b"x", FAR),
        lambda channel: channel.write_many([b"x"], FAR),
        lambda channel: channel.shutdown(timeout=FAR),
    ],
)
def test_a_timeout_that_no_float_holds(call: Callable[[Channel], object]) -> None:
    with Channel.create() as channel, pytest.raises(ValueError, match=r"a timeout is None, .* or a number of seconds"):
        call(channel)


@pytest.mark.parametrize("truth", [True, False])
def test_a_truth_is_no_number(truth: bool) -> None:
    with Channel.create() as channel:
        channel.write(b"x")
        with pytest.raises(TypeError, match=f"^limit is a whole number of messages; got {truth}$"):
            channel.read_many(truth, 0)
        with pytest.raises(TypeError, match=f"^limit is a whole number of messages; got {truth}$"):
            channel.try_read_many(truth)
        with pytest.raises(TypeError, match=f"^an entry id is a whole number; got {truth}$"):
            channel.skip(truth)
        assert [entry.data for entry in channel.read_many(9, 0)] == [b"x"]
    for name in ("capacity", "participants"):
        with pytest.raises(TypeError, match=f"^{name} is a whole number.*; got {truth}$"):
            Channel.create(**{name: truth})


@pytest.mark.parametrize("limit", [10**30, 2**63, -(10**30), 10**4_000])
def test_a_limit_beyond_every_batch(limit: int) -> None:
    with Channel.create() as channel:
        channel.write(b"x")
        with pytest.raises(ValueError, match="limit is a number of messages from 1"):
            channel.read_many(limit, 0)
        with pytest.raises(ValueError, match="limit is a number of messages from 1"):
            channel.try_read_many(limit)
        assert [entry.data for entry in channel.read_many(sys.maxsize, 0)] == [b"x"]
