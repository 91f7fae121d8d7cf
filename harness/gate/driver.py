"""The native driver (harness/native/bench/driver.cpp) as Python sees it: one object per loaded build."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

from harness.gate.source import BrokenPath, GateError

__all__ = ["PATHS", "Driver", "Memory"]

PATHS = ("pair-8", "pair-1024", "batch-64", "write-skip", "write-peek-read", "empty-read", "blocking-pair-8")
"""Paths whose cost is compared, in the driver's order. A pair is a write and a read of so many bytes; a batch is 64
messages of 8 bytes written, and read, together; a blocking pair takes the calls that may wait, and need not."""

_BLOCK_BYTES = 1 << 16
_MEMORY_BYTES = 1 << 16


class Memory:
    """The block that all builds work in, one after another, so that none has the luckier addresses. Page-aligned.

    Args:
        user: is told the number of the build that works in it (`apart.user`).
    """

    def __init__(self, user: Any = None) -> None:
        self._user = user
        self._map = mmap.mmap(-1, _MEMORY_BYTES)
        self._view = ctypes.c_char.from_buffer(self._map)
        self.address, self.size = ctypes.addressof(self._view), _BLOCK_BYTES

    def used_by(self, number: int) -> None:
        if self._user is not None:
            self._user.value = number

    def close(self) -> None:
        del self._view
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Driver:
    """A build, loaded. Loading one file twice gives two copies of its code, as same-against-same needs.

    Args:
        library: the build. memory: where it works. number: what the memory knows it by.
    """

    def __init__(self, library: Path, memory: Memory, number: int = 0) -> None:
        self._memory, self._number = memory, number
        with tempfile.TemporaryDirectory(prefix="channel-gate-") as folder:
            copy = shutil.copy(library, Path(folder) / library.name)  # dlopen knows a file it has loaded already
            self._library = ctypes.CDLL(str(copy), mode=os.RTLD_LOCAL | os.RTLD_NOW)
        self._slice = self._library.bench_slice
        self._slice.restype = ctypes.c_double
        self._slice.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_uint64]
        self._contended = self._library.bench_contended
        self._contended.restype = ctypes.c_bool
        self._contended.argtypes = [
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_int64,
            ctypes.POINTER(ctypes.c_double),
        ]
        self._delay = self._library.bench_delay
        self._delay.restype = ctypes.c_bool
        self._delay.argtypes = [ctypes.c_uint64]

    def cost(self, path: str, times: int) -> float:
        """CPU time, ns, of one operation of a path, over `times` of them.

        Raises:
            BrokenPath: an operation did not do what it is for. No timing of a broken channel means anything.
        """
        self._memory.used_by(self._number)
        taken = float(self._slice(self._memory.address, self._memory.size, PATHS.index(path), times))
        if taken < 0:
            raise BrokenPath(f"the path {path} does not work: a call did not do what it is for, or lost bytes")
        return max(taken, 1.0) / times

    def contended(self, cpus: tuple[int, int], nanoseconds: int) -> tuple[float, float]:
        """Two pinned threads, each writing and reading in turn: wall ns per pair, and p99 of a pair in ns."""
        self._memory.used_by(self._number)
        result = (ctypes.c_double * 2)()
        if not self._contended(self._memory.address, self._memory.size, *cpus, nanoseconds, result):
            raise BrokenPath("one of two contending threads came to nothing")
        return float(result[0]), max(float(result[1]), 1.0)

    def delay(self, rate: int) -> None:
        """Slow every call down by `rate`/256 units (delayed.hpp).

        Raises:
            GateError: this build has no delay.
        """
        if not self._delay(rate):
            raise GateError("this driver was built without a delay")
