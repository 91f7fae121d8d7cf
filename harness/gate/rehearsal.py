"""A build at its first use: one that does not work is not worth timing."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from harness.gate.apart import PATIENCE_S, Progress, apart
from harness.gate.driver import PATHS, Driver, Memory

__all__ = ["counters_text", "rehearse"]

_OPERATIONS = 1_000
_CONTENDED_NS = 1_000_000


def counters_text(library: Path, patience_s: float = PATIENCE_S) -> str:
    """What the counting driver (counters.cpp) printed.

    Raises:
        BrokenPath: it crashed, or did not come back in time.
    """
    return apart(_count, library, what="an operation under a fixed schedule", patience_s=patience_s)


def rehearse(library: Path, patience_s: float = PATIENCE_S) -> None:
    """Go each path of the timing driver once, and contend where there are two CPUs.

    Raises:
        BrokenPath: a path does not work, crashed, or did not come back in time.
    """
    apart(_go, library, what="a path", patience_s=patience_s)


def _count(library: Path, _progress: Progress) -> str:
    driver = ctypes.CDLL(str(library))
    driver.bench_counters.restype = ctypes.c_char_p
    return str(driver.bench_counters().decode())


def _go(library: Path, progress: Progress) -> None:
    with Memory() as memory:
        driver = Driver(library, memory)
        for path in PATHS:
            progress(path)
            driver.cost(path, _OPERATIONS)
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) >= 2:
            driver.contended((cpus[0], cpus[1]), _CONTENDED_NS)
