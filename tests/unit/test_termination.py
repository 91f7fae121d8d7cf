"""A command that is told to end, or whose parent is killed, leaves no process and no segment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import termination

DEADLINE_S = 30
RUN = ("run", "mwmr", "--on", "processes", "--mode", "native", "--duration", "300")
CAMPAIGN = ("run", "swsr", "--on", "processes", "--mode", "native", "--duration", "300", "--jobs", "2")
EXPLORE = ("explore", "mwmr", "--messages", "3", "--seconds", "300", "--jobs", "2")


def session_of(pid: int) -> list[int]:
    """Processes of the session that `pid` leads, without it and without the dead."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == pid != int(entry.name) and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def has_begun(pid: int) -> bool:
    """Workers leave Ctrl-C to the command from their first moment on."""
    return ignores(pid, signal.SIGINT)


def ignores(pid: int | None, number: signal.Signals) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) >> (number - 1) & 1)


def segments_of(pids: list[int]) -> list[str]:
    return [path.name for pid in pids for path in Path("/dev/shm").glob(f"ipc-harness-{pid}-*")]


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("words", [RUN, CAMPAIGN, EXPLORE], ids=["run", "campaign", "explore"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=["term", "int", "kill"])
def test_an_end_from_outside_leaves_nothing(words: tuple[str, ...], number: int, tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as said:
        command = subprocess.Popen(
            [sys.executable, "-m", "harness", *words],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=said,
            cwd=tmp_path,
        )
    until(lambda: sum(map(has_begun, session_of(command.pid))) >= 3)  # two workers, and multiprocessing's tracker
    workers = session_of(command.pid)
    if words is not EXPLORE:
        until(lambda: segments_of([command.pid, *session_of(command.pid)]))
        workers = session_of(command.pid)
    os.kill(command.pid, number)
    try:
        code = command.wait(DEADLINE_S)
    finally:
        command.kill()
        command.wait()
    assert code == {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[signal.Signals(number)]
    until(lambda: not session_of(command.pid))
    if number != signal.SIGKILL:
        assert "Traceback" not in (tmp_path / "said").read_text(encoding="utf-8")
    # SIGKILL lets nobody tidy: what the command itself made is swept by the next run
    assert segments_of(workers if number == signal.SIGKILL else [command.pid, *workers]) == []
    for name in segments_of([command.pid]):
        Path("/dev/shm", name).unlink()


PARTS = """
import os, signal, sys
from harness.termination import do_part, follow_parent

def part(ends):
    try:
        if ends:
            os.kill(os.getpid(), signal.SIGTERM)
        print("done", flush=True)
    finally:
        print("tidied", flush=True)

follow_parent()
do_part(part, False)
try:
    if "in a part" in sys.argv:
        do_part(part, True)
    else:
        os.kill(os.getpid(), signal.SIGTERM)
finally:
    print("the pool's own code", flush=True)
"""


@pytest.mark.parametrize(
    ("where", "code", "said"),
    [("in a part", 143, ["done", "tidied", "tidied"]), ("between parts", -signal.SIGTERM, ["done", "tidied"])],
)
def test_a_pool_never_meets_what_unwinds_a_part(where: str, code: int, said: list[str]) -> None:
    """It would take it for a result, and wait for ever to send that to a parent that reads no more."""
    done = subprocess.run([sys.executable, "-c", PARTS, where], capture_output=True, text=True, timeout=DEADLINE_S)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (code, said, "")


def test_a_child_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "GRACE_S", 0.5)
    process = multiprocessing.get_context("spawn").Process(target=_stay)
    process.start()
    until(lambda: ignores(process.pid, signal.SIGTERM))
    termination.end_children()
    process.join(DEADLINE_S)
    assert process.exitcode == -signal.SIGKILL


def _stay() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Event().wait(DEADLINE_S)
