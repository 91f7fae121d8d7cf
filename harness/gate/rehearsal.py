"""A build at its first use, in a process of its own: a core that crashes or hangs does it there, and is named."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from harness.gate.driver import PATHS, Driver, Memory
from harness.gate.source import BrokenPath

__all__ = ["PATIENCE_S", "counters_text", "rehearse"]

PATIENCE_S = 60.0
_OPERATIONS = 1_000
_CONTENDED_NS = 1_000_000
_SPAWN = multiprocessing.get_context("spawn")


def counters_text(library: Path, patience_s: float = PATIENCE_S) -> str:
    """What the counting driver (counters.cpp) printed.

    Raises:
        BrokenPath: it crashed, or did not come back in time.
    """
    return _apart(_count, library, "an operation under a fixed schedule", patience_s)


def rehearse(library: Path, patience_s: float = PATIENCE_S) -> None:
    """Go each path of the timing driver once, and contend where there are two CPUs.

    Raises:
        BrokenPath: a path does not work, crashed, or did not come back in time.
    """
    _apart(_go, library, "a path", patience_s)


def _count(library: Path) -> str:
    driver = ctypes.CDLL(str(library))
    driver.bench_counters.restype = ctypes.c_char_p
    return str(driver.bench_counters().decode())


def _go(library: Path) -> str:
    with Memory() as memory:
        driver = Driver(library, memory)
        for path in PATHS:
            driver.cost(path, _OPERATIONS)
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) >= 2:
            driver.contended((cpus[0], cpus[1]), _CONTENDED_NS)
    return ""


def _apart(work: Callable[[Path], str], library: Path, what: str, patience_s: float) -> str:
    mine, theirs = _SPAWN.Pipe(duplex=False)
    child = _SPAWN.Process(target=_serve, args=(theirs, work, library), daemon=True)
    child.start()
    theirs.close()
    try:
        if not mine.poll(patience_s):
            raise BrokenPath(f"{what} did not come back within {patience_s:g} s")
        answer = mine.recv()
    except EOFError as error:
        child.join()
        code = child.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended the process with {code}"
        raise BrokenPath(f"{what} {how}") from error
    finally:
        mine.close()
        child.kill()
        child.join()
    if isinstance(answer, BrokenPath):
        raise answer
    return str(answer)


def _serve(control: Connection, work: Callable[[Path], str], library: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with control:
        try:
            control.send(work(library))
        except BrokenPath as error:
            control.send(error)
