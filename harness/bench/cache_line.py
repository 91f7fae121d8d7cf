"""How far apart two CPUs are: the time of a cache line from one to the other. docs/gate.md says what to make of it."""

from __future__ import annotations

import os

from harness import _native

__all__ = ["cache_line_ns"]

_PATIENCE_NS = 1_000_000_000


def cache_line_ns(cpus: tuple[int, int] | None = None) -> float | None:
    """ns that a cache line takes one way between two CPUs; the caller's affinity stays as it is.

    Args:
        cpus: default: those that two pinned workers run on.

    Returns:
        Half a round trip, median over 21 slices of 1,000; a few ms of work. None if it cannot be measured: there
        is only one CPU, one of the two is not ours, or others keep them so busy that it is not done in a second.
    """
    if cpus is None:
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            return None
        cpus = allowed[0], allowed[1]
    return _native.line_latency(*cpus, _PATIENCE_NS)
