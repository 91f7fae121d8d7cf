"""Pairs of slices: two builds timed in turn, and the candidate against a second copy of itself beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.gate.apart import Progress
from harness.gate.driver import PATHS, Driver
from harness.gate.statistics import Array, abba_log_ratios

__all__ = ["CONTENDED_METRICS", "Contention", "Measure", "PathCost", "Rows"]

SLICE_NS = 10_000_000
CONTENDED_METRICS = ("contended-pair", "contended-p99")
_PROBE = 2_000
_PARTS = 4

Costs = Callable[[Driver], Sequence[float]]


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

    @staticmethod
    def joined(first: Rows, second: Rows) -> Rows:
        """All rounds of both."""
        return Rows(
            np.concatenate([first.reference, second.reference]),
            np.concatenate([first.candidate, second.candidate]),
            np.concatenate([first.copy, second.copy]),
        )


def _rounds(builds: tuple[Driver, Driver, Driver], count: int, costs: Costs) -> list[Rows]:
    """One `Rows` per cost. The order of the builds turns round from round to round (ABBA), so that drift cancels."""
    seen: list[list[Sequence[float]]] = [[], [], []]
    for number in range(count):
        order = range(3) if number % 2 == 0 else reversed(range(3))
        for index in order:
            seen[index].append(costs(builds[index]))
    reference, candidate, copy = (np.asarray(rows, dtype=float).T for rows in seen)
    return [Rows(*three) for three in zip(reference, candidate, copy, strict=True)]


class Measure(Protocol):
    """What takes the pairs of one rule."""

    @property
    def metrics(self) -> Sequence[str]: ...

    def measure(self, count: int, metrics: Sequence[str], progress: Progress) -> dict[str, Rows]:
        """`count` fresh rounds of each of these metrics."""
        ...


class PathCost:
    """CPU time per operation on one thread: the metric that a shared machine can tell exactly."""

    metrics = PATHS

    def __init__(self, reference: Driver, candidate: Driver, copy: Driver, slice_ns: int = SLICE_NS) -> None:
        self._builds, self._slice_ns = (reference, candidate, copy), slice_ns
        self._times: dict[str, int] = {}

    def measure(self, count: int, metrics: Sequence[str], progress: Progress) -> dict[str, Rows]:
        rows = {}
        for path in metrics:
            progress(path)
            (rows[path],) = _rounds(self._builds, count, self._slice_of(path))
        return rows

    def _slice_of(self, path: str) -> Costs:
        """About 10 ms in parts, of which the quickest counts: what a neighbour does for a moment only adds."""
        if path not in self._times:
            probe = min(self._builds[1].cost(path, _PROBE) for _ in range(3))
            self._times[path] = max(int(self._slice_ns / _PARTS / probe), 1)
        times = self._times[path]
        return lambda build: [min(build.cost(path, times) for _ in range(_PARTS))]


class Contention:
    """Two pinned threads that write and read the same channel: throughput and p99, wall time."""

    metrics = CONTENDED_METRICS

    def __init__(self, reference: Driver, candidate: Driver, copy: Driver, cpus: tuple[int, int]) -> None:
        self._builds, self._cpus = (reference, candidate, copy), cpus

    def measure(self, count: int, metrics: Sequence[str], progress: Progress) -> dict[str, Rows]:
        progress("contended")
        rows = _rounds(self._builds, count, lambda build: build.contended(self._cpus, SLICE_NS))
        return {name: seen for name, seen in zip(CONTENDED_METRICS, rows, strict=True) if name in metrics}
