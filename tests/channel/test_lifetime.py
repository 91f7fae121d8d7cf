"""Names, handles, processes: who keeps a channel, who ends it, and what a fork does."""

from __future__ import annotations

import gc
import mmap
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from channel import (
    Channel,
    ChannelConfig,
    ChannelExists,
    ChannelNotFound,
    ChannelTimeout,
    ForeignMemory,
    HandleClosed,
    NoParticipantSlot,
    NotAParticipant,
    suggest_size,
)


def in_child(action: object) -> int:
    """Runs `action` in a fork; its exit status: 0 if it returned True."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if action() else 2  # type: ignore[operator]
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_live_name_is_not_created_again(name: str) -> None:
    with Channel.create(name) as channel:
        channel.write(b"kept")
        with pytest.raises(ChannelExists, match=name):
            Channel.create(name)
        assert Channel.connect(name).read(timeout=0).data == b"kept"
    with pytest.raises(ChannelNotFound, match=name):
        Channel.connect(name)


def test_only_the_creator_unlinks_and_not_what_another_made_since(name: str) -> None:
    with Channel.create(name) as first:
        with Channel.connect(name):
            pass
        assert first.unlink()
        assert not first.unlink()
        second = Channel.create(name)
    assert Path("/dev/shm", name).exists(), "the name was another channel's by then"
    second.unlink()
    second.close()


def test_an_anonymous_segment_goes_with_its_handle() -> None:
    for drop in (lambda channel: channel.close(), lambda channel: None):
        channel = Channel.create()
        path = Path("/dev/shm", channel.name)
        assert path.exists()
        drop(channel)
        del channel
        gc.collect()
        assert not path.exists()


def test_a_handle_pickles_as_its_name() -> None:
    config = ChannelConfig(max_round_trips=3)
    with Channel.create(config=config) as channel:
        again = pickle.loads(pickle.dumps(channel))
        assert again.config == config
        channel.write(b"x")
        assert again.read(timeout=0).data == b"x"
        assert len(channel.state().participants) == 1, "one registration per process"
    with pytest.raises(TypeError, match="connect_to"):
        pickle.dumps(Channel.create_in(bytearray(1024)))


@pytest.mark.parametrize("wrong", ["", "a/b", ".", "..", "x" * 201, "a\0b"])
def test_a_bad_name_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="1 to 200 bytes"):
        Channel.create(wrong)


@pytest.mark.parametrize("wrong", [b"bytes", 5, True])
def test_a_name_that_is_no_text_is_refused(wrong: Any) -> None:
    for call in (Channel.create, Channel.connect):
        with pytest.raises(TypeError, match=f"^a segment's name is a str; got {wrong!r}$"):
            call(wrong)
    with pytest.raises(ValueError, match="text that UTF-8 can spell"):
        Channel.connect("\ud800")


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"IPCCNL01" + b"\0" * 4096])
def test_a_foreign_file_is_refused_untouched(name: str, content: bytes) -> None:
    path = Path("/dev/shm", name)
    path.write_bytes(content)
    with pytest.raises(ForeignMemory, match=name):
        Channel.connect(name)
    assert path.read_bytes() == content


def _echo(requests: Channel, answers: Channel) -> None:
    for entry in requests:
        answers.write(entry.data[::-1], timeout=20)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_every_start_method(method: str) -> None:
    context = multiprocessing.get_context(method)
    with Channel.create() as requests, Channel.create() as answers:
        child = context.Process(target=_echo, args=(requests, answers))
        child.start()
        for number in range(20):
            requests.write(b"%03d" % number)
            assert answers.read(timeout=30).data == (b"%03d" % number)[::-1]
        requests.shutdown()
        child.join(30)
        assert child.exitcode == 0


def test_a_fork_registers_anew() -> None:
    with Channel.create() as channel:
        assert in_child(lambda: channel.try_write(b"x") is not None and len(channel.state().participants) == 2) == 0
        assert channel.read(timeout=5).data == b"x"


def test_without_a_slot_a_fork_is_refused() -> None:
    with Channel.create(participants=1) as channel:

        def refused() -> bool:
            try:
                channel.try_write(b"")
            except NotAParticipant:
                return True
            return False

        assert in_child(refused) == 0


def test_private_memory_is_refused_after_a_fork() -> None:
    channel = Channel.create_in(bytearray(1024))

    def refused() -> bool:
        for call in (channel.try_read, channel.state, lambda: channel.try_write(b"")):
            try:
                call()
            except NotAParticipant:
                continue
            return False
        return True

    assert in_child(refused) == 0
    assert channel.crash_safe


def test_shared_memory_is_crash_safe_only_with_a_lock_file(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    assert not Channel.create_in(mmap.mmap(-1, 4096)).crash_safe
    locked = Channel.create_in(mmap.mmap(-1, 4096), participants=2, lock_file=lock)
    assert locked.crash_safe
    assert in_child(lambda: locked.try_write(b"from the child") is not None) == 0
    assert locked.read(timeout=5).data == b"from the child"


def test_no_slot_is_a_clear_error(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    memory = mmap.mmap(-1, suggest_size(64))
    first = Channel.create_in(memory, lock_file=lock)
    with pytest.raises(NoParticipantSlot, match="participants"):
        Channel.connect_to(memory, lock_file=lock)
    first.close()


def test_a_signal_wakes_a_blocked_read() -> None:
    class Rang(Exception):
        pass

    def ring(number: int, frame: object) -> None:
        raise Rang

    before = signal.signal(signal.SIGUSR1, ring)
    try:
        with Channel.create() as channel:
            timer = threading.Timer(0.1, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
            timer.start()
            with pytest.raises(Rang):
                channel.read(timeout=30)
            timer.join()
            with pytest.raises(ChannelTimeout):
                channel.read(timeout=0)
    finally:
        signal.signal(signal.SIGUSR1, before)


class Closing:
    """A number that closes a channel when it is asked for its value."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def __float__(self) -> float:
        self.channel.close()
        return 0.0

    def __index__(self) -> int:
        self.channel.close()
        return 1


@pytest.mark.parametrize(
    "call",
    [
        lambda channel: channel.write(b"x", Closing(channel)),
        lambda channel: channel.write_many([b"x"], Closing(channel)),
        lambda channel: channel.read(Closing(channel)),
        lambda channel: channel.read_into(bytearray(8), Closing(channel)),
        lambda channel: channel.read_many(Closing(channel)),
        lambda channel: channel.try_read_many(Closing(channel)),
        lambda channel: channel.shutdown(timeout=Closing(channel)),
    ],
)
def test_an_argument_that_closes_the_handle(call: Callable[[Channel], object]) -> None:
    channel = Channel.create(capacity=4096)
    channel.write(b"there")
    with pytest.raises(HandleClosed):
        call(channel)


def test_messages_that_close_the_handle() -> None:
    channel = Channel.create(capacity=4096)

    def messages() -> Iterator[bytes]:
        yield b"x"
        channel.close()

    with pytest.raises(HandleClosed):
        channel.write_many(messages())


def test_a_closed_handle_leaves_an_iterator_alone() -> None:
    channel = Channel.create(capacity=4096)
    channel.close()
    messages = iter([b"x"])
    with pytest.raises(HandleClosed):
        channel.write_many(messages)
    assert next(messages) == b"x"


def test_a_finalizer_that_closes_the_handle_while_its_state_is_told() -> None:
    class Garbage:
        def __init__(self, channel: Channel) -> None:
            self.channel = channel
            self.cycle = self

        def __del__(self) -> None:
            self.channel.close()

    before = gc.get_threshold()
    try:
        for objects in range(1, 20):  # until the collector runs
            channel = Channel.create(capacity=4096)
            gc.disable()
            gc.collect()
            Garbage(channel)
            spare: list[object] = [{} for _ in range(200)]  # none of the interpreter's own is free: a new one is made
            gc.set_threshold(objects)
            gc.enable()
            channel._state()
            gc.disable()
            gc.set_threshold(*before)
            del spare
    finally:
        gc.set_threshold(*before)
        gc.enable()


@pytest.mark.parametrize("kinds", [(bytes,), (bytes, bytearray)])
@pytest.mark.parametrize("batch", [100, 2000])  # the GIL is let go where it waits, or from the start
def test_messages_are_held_until_they_are_written(kinds: tuple[type[bytes | bytearray], ...], batch: int) -> None:
    sent = [number.to_bytes(4, "little") * 50 for number in range(batch)]
    messages: list[bytes | bytearray] = [kinds[i % len(kinds)](bytearray(message)) for i, message in enumerate(sent)]
    with Channel.create(capacity=4096) as channel:
        writer = threading.Thread(target=channel.write_many, args=(messages, 30))
        writer.start()
        first = channel.read(timeout=20)
        assert writer.is_alive(), "they do not fit"
        messages.clear()
        others = [bytes(200) for _ in range(3000)]  # where the messages were
        assert [first.data, *(channel.read(timeout=20).data for _ in sent[1:])] == sent
        writer.join(20)
        del others
