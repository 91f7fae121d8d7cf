"""Every operation and every status of it, on a segment and on a buffer."""

from __future__ import annotations

import itertools
import pickle
import queue
import subprocess
import sys
import threading
import time
from itertools import count

import pytest

from channel import (
    BufferTooSmall,
    Channel,
    ChannelClosed,
    ChannelConfig,
    ChannelFull,
    ChannelQueue,
    ChannelRetryLimit,
    ChannelTimeout,
    Counters,
    Entry,
    HandleClosed,
    MessageTooLarge,
    suggest_size,
)
from channel import errors as channel_errors

SLEEPERS = 200  # offset in the block (channel/core/layout.hpp) of the flag that a reader raises before it sleeps


def need(size: int) -> int:
    """Bytes of the ring that a message takes."""
    return -(-(8 + size) // 16) * 16


def drain(channel: Channel) -> list[bytes]:
    found = []
    while (entry := channel.try_read()) is not None:
        found.append(entry.data)
    return found


def test_the_classic_example() -> None:
    memory = bytearray(1024)
    config = ChannelConfig(max_round_trips=1024, start_sleep_ns=1000, max_sleep_ns=100_000)
    writer = Channel.create_in(memory, config=config)

    def write() -> None:
        for number in range(1000):
            while True:
                try:
                    writer.write(number.to_bytes(8, "little"))
                    break
                except (ChannelFull, ChannelRetryLimit):
                    continue

    thread = threading.Thread(target=write)
    thread.start()
    reader = Channel.connect_to(memory)
    received = [int.from_bytes(reader.read(timeout=10).data, "little") for _ in range(1000)]
    thread.join(10)
    assert received == list(range(1000))
    assert reader.try_read() is None


@pytest.mark.parametrize("capacity", [64, 80, 96, 112, 208, 1008, 4096])
def test_every_size_passes_whole_at_every_offset(capacity: int) -> None:
    channel = Channel.create_in(bytearray(suggest_size(capacity)))
    assert channel.capacity == capacity
    assert channel.max_message == capacity - 24
    sizes = range(channel.max_message + 1) if capacity < 1000 else (0, 1, 7, 8, 511, 512, 513, channel.max_message)
    for lap in range(capacity // 16):
        for size in sizes:
            message = bytes((lap + i) & 255 for i in range(size))
            channel.try_write(message)
            entry = channel.try_read()
            assert entry is not None
            assert entry.data == message
    assert channel.state().head > 2 * capacity, "the ring was not gone around"


def test_full_is_exact(channel: Channel) -> None:
    for first in range(channel.max_message + 1):
        free = channel.capacity - 16 - need(first)
        for size in (free - 8, free - 7):
            if not 0 <= size <= channel.max_message:
                continue
            channel.try_write(b"x" * first)
            if need(size) <= free:
                channel.try_write(b"y" * size)
                assert drain(channel) == [b"x" * first, b"y" * size]
                continue
            with pytest.raises(ChannelFull) as caught:
                channel.try_write(b"y" * size)
            full = caught.value
            assert (full.needed, full.free) == (need(size), free)
            assert (full.capacity, full.max_message) == (channel.capacity, channel.max_message)
            assert drain(channel) == [b"x" * first]


def test_too_large_is_refused_even_when_empty(channel: Channel) -> None:
    channel.try_write(b"x" * channel.max_message)
    drain(channel)
    for refused in (channel.try_write, channel.write, lambda data: channel.write_many([b"", data])):
        with pytest.raises(MessageTooLarge) as caught:
            refused(b"x" * (channel.max_message + 1))
        assert (caught.value.size, caught.value.max_message) == (channel.max_message + 1, channel.max_message)
    assert channel.try_read() is None


def test_ids_tell_the_order(channel: Channel) -> None:
    ids = [channel.write(b"a"), channel.write(b"b"), *channel.write_many([b"c", b"d"])]
    assert ids == sorted(set(ids))
    assert [entry.id for entry in channel.read_many(4)] == ids


def test_bytes_like_objects_are_taken_and_others_refused(channel: Channel) -> None:
    for data in (b"abc", bytearray(b"abc"), memoryview(b"abc")):
        channel.write(data)
    assert drain(channel) == [b"abc"] * 3
    with pytest.raises(TypeError):
        channel.write("abc")  # type: ignore[arg-type]


def test_peek_leaves_the_head(channel: Channel) -> None:
    assert channel.peek() is None
    entry_id = channel.write(b"head")
    channel.write(b"next")
    for _ in range(2):
        entry = channel.peek()
        assert entry is not None
        assert (entry.id, entry.data) == (entry_id, b"head")
    assert drain(channel) == [b"head", b"next"]


def test_skip_removes_only_the_head_of_that_id(channel: Channel) -> None:
    result = channel.skip(0)
    assert not result
    assert result.head is None
    first, second = channel.write(b"first"), channel.write(b"second")
    for wrong in (second, second + 16, first + 1, 2**64 - 1):
        result = channel.skip(wrong)
        assert (result.removed, result.head) == (False, first)
    assert channel.skip(first).removed
    stale = channel.skip(first)
    assert (stale.removed, stale.head) == (False, second)
    assert drain(channel) == [b"second"]


@pytest.mark.parametrize("wrong", [-5, 2**64, 10**40])
def test_what_is_no_entry_id_is_refused(channel: Channel, wrong: int) -> None:
    channel.write(b"kept")
    with pytest.raises(ValueError, match=rf"^an entry id is from 0 to 2\*\*64 - 1; got {wrong}$"):
        channel.skip(wrong)
    with pytest.raises(TypeError, match=r"an entry id is a whole number; got '5'"):
        channel.skip("5")  # type: ignore[arg-type]
    assert drain(channel) == [b"kept"]
    with pytest.raises(ValueError, match=r"^an entry id is from 0"):
        Entry(wrong, b"")
    assert Entry(2**64 - 1, b"").id == 2**64 - 1


def test_skip_force_removes_whatever_is_there(channel: Channel) -> None:
    assert channel.skip_force() is None
    ids = [channel.write(b"a"), channel.write(b"b")]
    assert [channel.skip_force(), channel.skip_force()] == ids
    assert channel.skip_force() is None


def test_read_into_fills_the_buffer_or_leaves_the_message(channel: Channel) -> None:
    channel.write(b"seven b")
    small = bytearray(6)
    with pytest.raises(BufferTooSmall) as caught:
        channel.read_into(small)
    assert (caught.value.size, caught.value.room) == (7, 6)
    assert small == bytes(6)
    room = bytearray(b"." * 10)
    assert channel.read_into(room) == (0, 7)
    assert room == b"seven b..."
    with pytest.raises(BufferError):
        channel.read_into(b"1234567")  # type: ignore[arg-type]


def test_batches_keep_order_and_report_what_was_written(channel: Channel) -> None:
    messages = [bytes([i]) * i for i in range(8)]
    fitting = []
    used = 0
    for message in messages * 9:
        used += need(len(message))
        if used > channel.capacity - 16:
            break
        fitting.append(message)
    with pytest.raises(ChannelTimeout) as caught:
        channel.write_many(messages * 9, timeout=0)
    assert len(caught.value.written) == len(fitting)
    assert [entry.data for entry in channel.try_read_many(3)] == fitting[:3]
    assert [entry.data for entry in channel.read_many(1000)] == fitting[3:]
    assert channel.try_read_many(5) == []
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="from 1"):
            channel.read_many(wrong)


@pytest.mark.parametrize(("length", "size"), [(63, 8), (64, 8), (65, 8), (128, 0), (129, 24), (200, 9), (9, 30_000)])
def test_a_batch_of_several_ownerships_is_whole_and_in_order(length: int, size: int) -> None:
    """At most 64 messages, or 64 KiB, are written under one ownership."""
    channel = Channel.create_in(bytearray(suggest_size(length * need(size) + 16)))
    messages = [bytes([number % 251]) * size for number in range(length)]
    before = channel.state().head
    assert list(channel.write_many(messages, timeout=0)) == [before + number * need(size) for number in range(length)]
    seen = channel.state()
    assert (seen.entries, seen.bytes, seen.tail) == (length, length * need(size), before + length * need(size))
    assert [entry.data for entry in channel.read_many(length)] == messages


def test_a_long_batch_passes_a_small_ring() -> None:
    channel = Channel.create_in(bytearray(suggest_size(64)))
    messages = [number.to_bytes(4, "big") for number in range(3000)]
    thread = threading.Thread(target=channel.write_many, args=(messages, 30))
    thread.start()
    received: list[bytes] = []
    while len(received) < len(messages):
        received += [entry.data for entry in channel.read_many(64, timeout=10)]
    thread.join(10)
    assert received == messages


@pytest.mark.parametrize("timeout", [0, 0.001, 0.05])
def test_a_timeout_is_never_early(channel: Channel, timeout: float) -> None:
    for call in (channel.read, lambda timeout: channel.read_into(bytearray(9), timeout=timeout)):
        start = time.monotonic()
        with pytest.raises(ChannelTimeout):
            call(timeout=timeout)
        assert time.monotonic() - start >= timeout
    while True:
        try:
            channel.try_write(b"")
        except ChannelFull:
            break
    start = time.monotonic()
    with pytest.raises(ChannelTimeout):
        channel.write(b"", timeout=timeout)
    assert time.monotonic() - start >= timeout


def test_a_timeout_says_what_did_not_happen(channel: Channel) -> None:
    with pytest.raises(ChannelTimeout, match=r"^no message came before the time-out passed$"):
        channel.read(timeout=0)
    channel.write(b"x" * 200)
    with pytest.raises(ChannelTimeout, match=r"did not fit when the time-out passed: it needs 64 bytes, 32 are free$"):
        channel.write(b"x" * 50, timeout=0)
    with pytest.raises(ChannelTimeout, match=r"it needs 64 bytes, 32 are free$"):
        channel.write_many([b"x" * 50], timeout=0)


def test_timeout_zero_reads_a_message_and_writes_one(channel: Channel) -> None:
    channel.write(b"there", timeout=0)
    assert channel.read(timeout=0).data == b"there"


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("-inf")])
def test_a_senseless_timeout_is_refused(channel: Channel, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        channel.read(timeout=timeout)


def test_the_round_trip_limit_ends_calls_without_a_timeout() -> None:
    config = ChannelConfig(max_round_trips=5, start_sleep_ns=1, max_sleep_ns=1)
    channel = Channel.create_in(bytearray(suggest_size(64)), config=config)
    with pytest.raises(ChannelRetryLimit) as caught:
        channel.read()
    assert caught.value.rounds == 5
    channel.write(b"x" * channel.max_message)
    retries = channel.state().counters["write"].retries
    with pytest.raises(ChannelFull):
        channel.write(b"")
    assert channel.state().counters["write"].retries - retries == 5 - 1


@pytest.mark.parametrize("rounds", [1, 5])
def test_the_round_trip_limit_ends_a_call_that_tries_and_only_loses(rounds: int) -> None:
    memory = bytearray(suggest_size(64))
    channel = Channel.create_in(memory, config=ChannelConfig(max_round_trips=rounds))
    memory[64:72] = (1 << 12 | 5).to_bytes(8, "little")  # another writer is inside
    with pytest.raises(ChannelRetryLimit) as caught:
        channel.try_write(b"")
    assert caught.value.rounds == rounds
    counters = channel.state().counters["write"]
    assert (counters.conflicts, counters.retries) == (rounds, rounds - 1)


def test_state_and_counters(channel: Channel) -> None:
    first = channel.write(b"abc")
    channel.write(b"x" * 20)
    state = channel.state()
    assert (state.entries, state.bytes, state.head) == (2, need(3) + need(20), first)
    assert state.tail == first + state.bytes
    assert state.open
    channel.peek()
    channel.skip(first)
    channel.read()
    channel.try_read()
    state = channel.state()
    assert {kind: counters.calls for kind, counters in state.counters.items()} == {
        "write": 2,
        "read": 2,
        "peek": 1,
        "skip": 1,
    }
    assert (state.entries, state.bytes) == (0, 0)
    assert len(state.participants) == 1


def test_shutdown_drains_then_ends(channel: Channel) -> None:
    channel.write(b"last")
    channel.shutdown()
    channel.shutdown()
    assert not channel.state().open
    assert channel.state().counters["write"] == Counters(calls=1)
    for write in (channel.write, channel.try_write, lambda data: channel.write_many([data])):
        with pytest.raises(ChannelClosed):
            write(b"late")
    assert [entry.data for entry in channel] == [b"last"]
    for call in (channel.read, channel.try_read, channel.peek, channel.skip_force, lambda: channel.skip(0)):
        with pytest.raises(ChannelClosed):
            call()


def test_shutdown_fits_beside_the_largest_message_and_wakes_a_reader(channel: Channel) -> None:
    ended = threading.Event()

    def read() -> None:
        list(channel)
        ended.set()

    thread = threading.Thread(target=read)
    thread.start()
    channel.write(b"x" * channel.max_message)
    channel.shutdown(immediate=True)
    assert ended.wait(10)
    thread.join(10)


def test_close_ends_a_waiting_call_in_another_thread() -> None:
    buffer = bytearray(suggest_size(256))
    channel = Channel.create_in(buffer)
    outcome: list[BaseException] = []

    def read() -> None:
        try:
            channel.read(timeout=30)
        except HandleClosed as error:
            outcome.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    deadline = time.monotonic() + 20
    while not buffer[SLEEPERS]:  # raised by a reader that is about to sleep
        assert time.monotonic() < deadline
    channel.close()
    channel.close()
    thread.join(20)
    assert len(outcome) == 1
    with pytest.raises(HandleClosed):
        channel.try_read()
    with pytest.raises(HandleClosed):
        channel.state()
    assert channel.closed


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"max_round_trips": 0}, "max_round_trips"),
        ({"start_sleep_ns": 0}, "start_sleep_ns"),
        ({"start_sleep_ns": 10, "max_sleep_ns": 9}, "start_sleep_ns <= max_sleep_ns"),
        ({"slice_ns": 0}, "slice_ns"),
        ({"spins": -1}, "spins"),
    ],
)
def test_a_bad_configuration_names_the_rule(values: dict[str, int], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        ChannelConfig(**values)


def test_errors_pickle_with_their_numbers() -> None:
    made = [
        ChannelFull(16, 0, 64, 40),
        ChannelTimeout("late"),
        ChannelRetryLimit(7),
        MessageTooLarge(9, 8),
        BufferTooSmall(9, 8),
        *(getattr(channel_errors, kind)("text") for kind in ("ChannelClosed", "ChannelCorrupted", "HandleClosed")),
    ]
    for error in made:
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_the_queue_facade_is_a_queue_of_bytes() -> None:
    channel = Channel.create_in(bytearray(suggest_size(64)))
    facade = ChannelQueue(channel)
    assert facade.empty()
    with pytest.raises(queue.Empty):
        facade.get_nowait()
    with pytest.raises(queue.Empty):
        facade.get(timeout=0)
    for number in count():
        if facade.full():
            break
        facade.put(b"")
        assert facade.qsize() == number + 1
    with pytest.raises(queue.Full):
        facade.put_nowait(b"")
    with pytest.raises(queue.Full):
        facade.put(b"", timeout=0)
    assert facade.get() == b""


def test_the_queue_facade_answers_a_lost_race_as_a_queue_does() -> None:
    memory = bytearray(suggest_size(64))
    facade = ChannelQueue(Channel.create_in(memory, config=ChannelConfig(max_round_trips=2)))
    memory[64:72] = (1 << 12 | 5).to_bytes(8, "little")  # another writer is inside
    with pytest.raises(queue.Full):
        facade.put_nowait(b"")


_OUT_OF_MEMORY = """
import resource
from channel import Channel

with Channel.create(capacity=1 << 16) as channel:
    messages = [b"m"] * 3_000_000
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), resource.RLIM_INFINITY))
    try:
        channel.write_many(messages, timeout=0)
    except MemoryError:
        print("no memory, entries", channel.state().entries)
    channel.unlink()
"""


def test_a_batch_that_memory_does_not_suffice_for_is_an_error_and_not_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", _OUT_OF_MEMORY], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "no memory, entries 0\n"), done.stderr


_OUT_OF_MEMORY_BESIDE_A_READER = """
import collections
import os
import time

import _testcapi
from channel import Channel, ChannelFull, ChannelTimeout

outcomes = collections.Counter()
with Channel.create(capacity=1 << 16) as channel:
    end = time.monotonic() + 1
    if os.fork() == 0:  # the message that there was no memory for is gone when the call looks again
        while time.monotonic() < end:
            try:
                channel.write_many([bytes(300)] * 60, timeout=0)
            except (ChannelFull, ChannelTimeout):
                pass
            while channel.skip_force() is not None:
                pass
        os._exit(0)
    while time.monotonic() < end:
        for read in (channel.try_read, lambda: channel.try_read_many(5), channel.peek):
            _testcapi.set_nomemory(0, 1)  # for the next object alone
            try:
                read()
            except MemoryError:
                pass
            except BaseException as error:
                outcomes[repr(error)] += 1
            finally:
                _testcapi.remove_mem_hooks()
    os.wait()
print(dict(outcomes))
"""


def test_a_message_that_there_is_no_memory_for_and_another_takes() -> None:
    pytest.importorskip("_testcapi")
    done = subprocess.run(
        [sys.executable, "-c", _OUT_OF_MEMORY_BESIDE_A_READER], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "{}\n"), done.stderr


def test_a_batch_wakes_everybody_who_sleeps() -> None:
    """A message each for two sleepers; a slice is longer than the test, so that nobody looks again by himself."""
    channel = Channel.create_in(bytearray(4096), config=ChannelConfig(slice_ns=100_000_000_000, spins=0))
    found: list[bytes] = []
    readers = [threading.Thread(target=lambda: found.append(channel.read(timeout=10.0).data)) for _ in range(2)]
    for reader in readers:
        reader.start()
    time.sleep(0.3)  # whoever is not asleep by then needs no wake-up, and is not what this test is about
    channel.write_many([b"one", b"two"])
    for reader in readers:
        reader.join(5.0)
    assert sorted(found) == [b"one", b"two"]


def test_each_message_of_a_group_has_its_own_size() -> None:
    messages = [b"", b"x" * 40, b"y", b"z" * 24]
    with Channel.create(capacity=512) as channel:
        for _ in range(20):  # at every place of the ring
            ids = channel.write_many(messages)
            assert [after - id_ for id_, after in itertools.pairwise(ids)] == [16, 48, 16]
            assert [entry.data for entry in channel.read_many(9)] == messages
