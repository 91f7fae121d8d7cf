"""A creator that is killed leaves its anonymous segment: the next to make such a segment removes it, and no other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from channel import Channel, _core

SHARED_MEMORY = Path("/dev/shm")
DEADLINE_S = 60

# makes the channel PREFIXpid-00ff, or an anonymous one without a PREFIX, and waits
CREATOR = """
import os, sys
from channel import Channel
channel = Channel.create(f"{sys.argv[1]}{os.getpid()}-00ff" if sys.argv[1:] else None)
channel.write(b"left")
print(channel.name, flush=True)
sys.stdin.read()
"""


class Other:
    """Another process, that runs until it is told to end or is killed."""

    def __init__(self, program: str, *words: str, wrapper: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, "-c", program, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)

    def end(self) -> None:
        self.process.communicate("", timeout=DEADLINE_S)


@pytest.fixture
def prefix() -> Iterator[str]:
    """Of this test's own segments: those of other tests, and of other programs, are left to them."""
    chosen = f"test-channel-{os.getpid()}x{os.urandom(4).hex()}-"
    yield chosen
    for path in SHARED_MEMORY.glob(f"{chosen}*"):
        path.unlink()


@pytest.fixture
def leftover(prefix: str) -> str:
    """The name of a segment whose creator was killed."""
    creator = Other(CREATOR, prefix)
    name = creator.line()
    creator.kill()
    assert (SHARED_MEMORY / name).exists()
    return name


def test_the_next_anonymous_channel_removes_what_a_killed_creator_left() -> None:
    creator = Other(CREATOR)
    left = creator.line()
    assert left.startswith(f"ipc-channel-{creator.process.pid}-")
    creator.kill()
    next_one = Other(CREATOR)
    assert (SHARED_MEMORY / next_one.line()).exists()
    assert not (SHARED_MEMORY / left).exists()
    next_one.end()


def test_a_survivor_keeps_the_segment_until_it_is_gone(leftover: str, prefix: str) -> None:
    survivor = Channel.connect(leftover)
    assert leftover not in _core.sweep_segments(prefix)
    assert Channel.connect(leftover).read(timeout=0).data == b"left"
    survivor.close()
    assert _core.sweep_segments(prefix) == [leftover]


def test_a_forked_survivor_keeps_it(prefix: str) -> None:
    """The child of a killed creator has a lock of its own."""
    program = CREATOR.replace("print", "if os.fork():\n    os.kill(os.getpid(), 9)\nprint")
    survivor = Other(program, prefix)
    name = survivor.line()
    assert survivor.process.wait(DEADLINE_S) == -signal.SIGKILL
    assert name not in _core.sweep_segments(prefix)
    survivor.end()
    deadline = time.monotonic() + DEADLINE_S
    while name not in _core.sweep_segments(prefix):
        assert time.monotonic() < deadline


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode != 0,
    reason="no process namespaces here",
)
def test_a_creator_in_another_process_namespace_is_alive(prefix: str) -> None:
    """Its pid says nothing here, its lock does."""
    creator = Other(CREATOR, prefix, wrapper=("unshare", "--pid", "--fork"))
    name = creator.line()
    assert name == f"{prefix}1-00ff"
    assert name not in _core.sweep_segments(prefix)
    assert (SHARED_MEMORY / name).exists()
    creator.end()
    assert name in _core.sweep_segments(prefix)


def test_no_living_creator_ever_loses_its_segment(prefix: str) -> None:
    """The lock is there before the name is; with the name first, a sweep beside a creator soon hits the gap."""
    sweeper = Other(
        "import sys, threading\nfrom channel import _core\n"
        "threading.Thread(target=sys.stdin.read, daemon=True).start()\nprint(flush=True)\ntaken = []\n"
        "while threading.active_count() > 1: taken += _core.sweep_segments(sys.argv[1])\nprint(taken)",
        prefix,
    )
    sweeper.line()
    for number in range(2000):
        with Channel.create(f"{prefix}{number}-00ff", capacity=64, participants=1) as channel:
            assert (SHARED_MEMORY / channel.name).exists()
    assert sweeper.process.communicate("", timeout=DEADLINE_S)[0].strip() == "[]"


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"IPCCNL01" + b"\xff" * 4096])
def test_what_is_no_channel_of_this_layout_stays(content: bytes, prefix: str) -> None:
    path = SHARED_MEMORY / f"{prefix}1-00ff"
    path.write_bytes(content)
    assert _core.sweep_segments(prefix) == []
    assert path.read_bytes() == content


def test_a_pipe_or_a_link_of_such_a_name_does_no_harm(leftover: str, prefix: str) -> None:
    pipe, link = SHARED_MEMORY / f"{prefix}1-00fe", SHARED_MEMORY / f"{prefix}1-00fd"
    os.mkfifo(pipe)
    link.symlink_to(leftover)
    assert _core.sweep_segments(prefix) == [leftover]
    assert pipe.exists()
    assert link.is_symlink()


def test_only_names_that_were_made_up_are_swept(prefix: str) -> None:
    for name in (f"{prefix}orders", f"{prefix}1-orders", f"{prefix}1-", f"{prefix}-00ff", f"{prefix}1-00FF"):
        Channel.create(name).close()
        assert _core.sweep_segments(prefix) == []
        assert Channel.connect(name).unlink()


def test_the_names_of_anonymous_segments_cannot_be_taken() -> None:
    with pytest.raises(ValueError, match="names that begin with 'ipc-channel-'"):
        Channel.create("ipc-channel-1-00ff")
