"""Pairs of slices: two builds timed in turn, and the candidate against a second copy of itself beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.gate.driver import PATHS, Driver
from harness.gate.statistics import Array, abba_log_ratios

__all__ = ["CONTENDED_METRICS", "Contention", "PathCost", "Rows"]

SLICE_NS = 10_000_000
CONTENDED_METRICS = ("contended-pair", "contended-p99")
_CONTENDED_SLICE_NS = 10_000_000
_PROBE = 2_000

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Rows:
    """Costs of one metric, one per round: the reference's, the candidate's, and those of the candidate's copy."""

    reference: Array
    candidate: Array
    copy: Array

    @property
    def pairs(self) -> Array:
        """Log speed ratios, candidate over reference."""
        return abba_log_ratios(self.reference, self.candidate)

    @property
    def noise(self) -> Array:
        """Log speed ratios, copy over candidate: what a ratio of 1 looks like here and now."""
        return abba_log_ratios(self.candidate, self.copy)


Costs = Callable[[Driver], Sequence[float]]


def _rounds(builds: tuple[Driver, Driver, Driver], count: int, costs: Costs) -> list[Rows]:
    """One `Rows` per cost. The order of the builds turns round from round to round (ABBA), so that drift cancels."""
    seen: list[list[Sequence[float]]] = [[], [], []]
    for number in range(count):
        order = range(3) if number % 2 == 0 else reversed(range(3))
        for index in order:
            seen[index].append(costs(builds[index]))
    reference, candidate, copy = (np.asarray(rows, dtype=float).T for rows in seen)
    return [Rows(*three) for three in zip(reference, candidate, copy, strict=True)]


class PathCost:
    """CPU time per operation on one thread: the metric that a shared machine can tell exactly."""

    def __init__(self, reference: Driver, candidate: Driver, copy: Driver) -> None:
        self._builds = (reference, candidate, copy)
        self._times: dict[str, int] = {}

    def measure(self, count: int, paths: Sequence[str] = PATHS, progress: Progress = lambda _: None) -> dict[str, Rows]:
        """`count` rounds of ~10 ms slices of each path."""
        rows = {}
        for path in paths:
            progress(path)
            if path not in self._times:
                probe = min(self._builds[1].cost(path, _PROBE) for _ in range(3))
                self._times[path] = max(int(SLICE_NS / probe), _PROBE)
                for build in self._builds:
                    build.cost(path, self._times[path])  # warm
            times = self._times[path]
            (rows[path],) = _rounds(self._builds, count, lambda build, p=path, n=times: [build.cost(p, n)])  # type: ignore[misc]
        return rows


class Contention:
    """Two pinned threads that write and read the same channel: throughput and p99, wall time."""

    def __init__(self, reference: Driver, candidate: Driver, copy: Driver, cpus: tuple[int, int]) -> None:
        self._builds, self._cpus = (reference, candidate, copy), cpus

    def measure(self, count: int, progress: Progress = lambda _: None) -> dict[str, Rows]:
        progress("contended")
        rows = _rounds(self._builds, count, lambda build: build.contended(self._cpus, _CONTENDED_SLICE_NS))
        return dict(zip(CONTENDED_METRICS, rows, strict=True))
