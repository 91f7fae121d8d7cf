"""A participant killed anywhere: nobody blocks, no completed message is lost or doubled."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from channel import Channel, ChannelConfig, ChannelRetryLimit
from tests.channel.single_step import Stepped, permitted

OWNER, HEAD = 64, 128
DEADLINE = 20.0


class Words:
    """The words of a segment, seen from outside."""

    def __init__(self, name: str) -> None:
        with Path("/dev/shm", name).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    def __getitem__(self, at: int) -> int:
        return int.from_bytes(self._map[at : at + 8], "little")

    def close(self) -> None:
        self._map.close()


@pytest.fixture
def channel() -> Iterator[Channel]:
    with Channel.create(capacity=256) as made:
        yield made


def drain(channel: Channel) -> list[bytes]:
    found = []
    while (entry := channel.try_read()) is not None:
        found.append(entry.data)
    return found


def killed_at(channel: Channel, action: Callable[[], object], begun: Callable[[Words], bool], further: int) -> bool:
    """Kills a child `further` instructions after `begun`; False if it ended before."""
    words = Words(channel.name)
    child = Stepped(action)
    try:
        while not begun(words):
            if not child.step():
                return False
        return all(child.step() for _ in range(further))
    finally:
        child.kill()
        words.close()


needs_ptrace = pytest.mark.skipif(not permitted(), reason="this machine permits no ptrace")


@needs_ptrace
def test_a_writer_killed_at_every_instruction_inside(channel: Channel) -> None:
    outcomes = set()
    inside = 0
    for further in range(400):
        channel.write(b"before")
        killed_at(channel, lambda: channel.try_write(b"the message"), lambda words: words[OWNER] != 0, further)
        words = Words(channel.name)
        left = words[OWNER] != 0
        words.close()
        inside += left
        channel.write(b"after", timeout=DEADLINE)
        found = drain(channel)
        assert found in ([b"before", b"after"], [b"before", b"the message", b"after"])
        outcomes.add(len(found))
        if not left:
            break
    assert outcomes == {2, 3}, "the kills did not fall on both sides of the publication"
    assert inside > 10
    assert channel.state().recoveries == inside


@needs_ptrace
def test_a_reader_killed_at_instructions_around_its_removal(channel: Channel) -> None:
    """Steps back from the removal: it is found once, then the kill falls ever earlier before it and just after."""
    head = channel.state().head

    def steps_to_removal() -> int:
        words = Words(channel.name)
        child = Stepped(channel.try_read)
        steps = 0
        while words[HEAD] == head and child.step():
            steps += 1
        child.kill()
        words.close()
        return steps

    channel.write(b"message")
    length = steps_to_removal()
    outcomes = set()
    for kill_at in range(max(1, length - 60), length + 20):
        drain(channel)
        channel.write(b"message")
        child = Stepped(channel.try_read)
        for _ in range(kill_at):
            if not child.step():
                break
        child.kill()
        channel.write(b"after", timeout=DEADLINE)
        found = drain(channel)
        assert found in ([b"message", b"after"], [b"after"])
        outcomes.add(len(found))
    assert outcomes == {1, 2}, "the kills did not fall on both sides of the removal"


@needs_ptrace
def test_a_batch_killed_at_instructions_inside(channel: Channel) -> None:
    """What fits half the ring appears at one instant: all of it is left, or nothing."""
    batch = [b"the first", b"", b"the third, which is longer than a word"]
    outcomes = set()
    for further in range(0, 2000, 5):
        channel.write(b"before")  # so that the batch stands elsewhere in the ring each time
        killed_at(channel, lambda: channel.write_many(batch, 0), lambda words: words[OWNER] != 0, further)
        words = Words(channel.name)
        left = words[OWNER] != 0
        words.close()
        seen = channel.state().entries
        channel.write(b"after", timeout=DEADLINE)
        found = drain(channel)
        assert found in ([b"before", b"after"], [b"before", *batch, b"after"])
        assert seen == len(found) - 1
        outcomes.add(len(found))
        if not left:
            break
    assert outcomes == {2, 5}, "the kills did not fall on both sides of the publication"


@needs_ptrace
def test_a_batch_killed_after_the_ring_went_around(channel: Channel) -> None:
    """The walk of recovery begins where the batch is, not where it began: that space holds other bytes by now."""
    messages = [bytes([255]) * 9 + bytes([i]) for i in range(60)]
    words = Words(channel.name)
    child = Stepped(lambda: channel.write_many(messages, 5))
    received: list[bytes] = []
    try:
        while len(received) < 30 and child.step():
            received += drain(channel)
        assert words[OWNER] != 0, "the writer is not inside"
    finally:
        child.kill()
        words.close()
    channel.write(b"after", timeout=DEADLINE)
    received += drain(channel)
    assert received == [*messages[: len(received) - 1], b"after"]


@needs_ptrace
def test_a_recoverer_killed_in_recovery(channel: Channel) -> None:
    dead = killed_at(channel, lambda: channel.try_write(b"first"), lambda words: words[OWNER] != 0, 3)
    assert dead
    words = Words(channel.name)
    first_owner = words[OWNER]
    assert first_owner != 0
    # the child of a fork takes a slot of its own: the lowest, the dead one's, so it recovers as it registers
    child = Stepped(lambda: channel.write(b"second", 5))
    words_owner = words[OWNER]
    child.kill()
    assert words_owner != first_owner, "the slot was reused and its dead owner left in place"
    channel.write(b"after", timeout=DEADLINE)
    assert drain(channel) == [b"after"]
    words.close()


@needs_ptrace
def test_a_stopped_live_owner_is_not_dead(channel: Channel) -> None:
    words = Words(channel.name)
    child = Stepped(lambda: channel.try_write(b"slow"))
    while words[OWNER] == 0:
        assert child.step()
    owner = words[OWNER]
    try:
        for _ in range(3):
            with pytest.raises(ChannelRetryLimit):
                channel.write(b"x", timeout=0.01)
        assert words[OWNER] == owner
        assert channel.try_read() is None
    finally:
        child.kill()
        words.close()
    channel.write(b"after", timeout=DEADLINE)
    assert drain(channel)[-1] == b"after"
    assert channel.state().recoveries == 1


@needs_ptrace
@pytest.mark.parametrize("limit", [1, 63, 64, 65, 1_000])
def test_a_try_write_has_as_many_rounds_as_its_limit(limit: int) -> None:
    """Whether it lets go of the GIL on the way or not."""
    with Channel.create(config=ChannelConfig(max_round_trips=limit)) as channel:
        words = Words(channel.name)
        child = Stepped(lambda: channel.try_write(b"slow"))
        while words[OWNER] == 0:
            assert child.step()
        try:
            with pytest.raises(ChannelRetryLimit) as caught:
                channel.try_write(b"x")
        finally:
            child.kill()
            words.close()
        assert caught.value.rounds == limit


@needs_ptrace
def test_other_threads_go_on_while_a_try_write_spins(channel: Channel) -> None:
    words = Words(channel.name)
    child = Stepped(lambda: channel.try_write(b"slow"))
    while words[OWNER] == 0:
        assert child.step()
    begun, ended = threading.Event(), []

    def spin() -> None:
        begun.set()
        with pytest.raises(ChannelRetryLimit):
            channel.try_write(b"x")
        ended.append(True)

    thread = threading.Thread(target=spin)
    thread.start()
    turns = 0
    try:
        begun.wait(DEADLINE)
        while not ended and thread.is_alive():
            turns += 1
            time.sleep(0)
    finally:
        thread.join()
        child.kill()
        words.close()
    assert ended
    assert turns > 100, "the GIL was held while it span"


def _write_for_ever(channel: Channel, worker: int) -> None:
    number = 0
    while True:
        channel.write(b"%d %d" % (worker, number))
        number += 1


def test_writers_killed_at_random_instants() -> None:
    random_ = random.Random(7)
    context = multiprocessing.get_context("fork")
    with Channel.create(capacity=512) as channel:
        for kill in range(40):
            writer = context.Process(target=_write_for_ever, args=(channel, kill))
            writer.start()
            mine = []
            enough = random_.randrange(1, 400)
            while len(mine) < enough:
                mine.append(channel.read(timeout=DEADLINE).data)
            assert writer.pid is not None
            os.kill(writer.pid, signal.SIGKILL)
            writer.join(DEADLINE)
            mine += drain(channel)
            channel.write(b"end", timeout=DEADLINE)
            mine += drain(channel)
            assert mine.pop() == b"end"
            assert mine == [b"%d %d" % (kill, number) for number in range(len(mine))]
