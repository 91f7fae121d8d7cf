"""Who counts as dead when forks are about, and in a shared mapping; Ctrl-C in a blocked call."""

from __future__ import annotations

import mmap
import os
import select
import signal
import threading
from pathlib import Path

import pytest

from channel import Channel, suggest_size
from tests.channel.single_step import Stepped
from tests.channel.test_crash import DEADLINE, OWNER, Words, drain, needs_ptrace


@needs_ptrace
def test_a_killed_parent_is_dead_while_its_child_lives() -> None:
    """The child of a fork inherits the open file of its parent's lock: it must not keep the parent alive by it."""
    ends, release = os.pipe()
    with Channel.create(capacity=256) as channel:

        def fork_then_write() -> None:
            if os.fork() == 0:
                os.close(release)
                select.select([ends], [], [], 3 * DEADLINE)
                os._exit(0)
            channel.try_write(b"unfinished")

        words = Words(channel.name)
        parent = Stepped(fork_then_write)
        try:
            while words[OWNER] == 0:
                assert parent.step(), "the parent ended before it was inside"
            parent.kill()
            channel.write(b"after", timeout=DEADLINE)
            assert drain(channel) == [b"after"]
            assert channel.state().recoveries == 1
        finally:
            parent.kill()
            words.close()
            os.close(release)
            os.close(ends)


@needs_ptrace
def test_a_shared_mapping_with_a_lock_file_is_recovered(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    memory = mmap.mmap(-1, suggest_size(256, participants=3))
    channel = Channel.create_in(memory, participants=3, lock_file=lock)
    writer = Stepped(lambda: channel.try_write(b"unfinished"))
    try:
        while memory[OWNER : OWNER + 8] == bytes(8):
            assert writer.step(), "the writer ended before it was inside"
    finally:
        writer.kill()
    channel.write(b"after", timeout=DEADLINE)
    assert drain(channel) == [b"after"]
    assert channel.state().recoveries == 1
    channel.close()


def test_ctrl_c_ends_a_blocked_read() -> None:
    with Channel.create() as channel:
        timer = threading.Timer(0.1, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            channel.read(timeout=DEADLINE)
        timer.join(DEADLINE)
