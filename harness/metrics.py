"""What a history says about performance: throughput over time, latency percentiles, retries, back-off, workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.history import PENDING_RETURN, History
from harness.operation import Kind, Status
from harness.record import LatencySummary, Metrics

__all__ = ["PERCENTS", "compute_metrics", "has_beyond"]

PERCENTS = (10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999, 100.0)
_SLICES = 60
_SINGLE_RETRIES = 16
_STATUSES = len(Status)


def compute_metrics(history: History) -> Metrics:
    """Measure a history. An operation that never returned counts as an operation and has no latency.

    Percentiles go to the nearest rank: each is a latency that some operation really had.
    """
    rows = history.operations
    if not len(rows):
        return Metrics(seconds=0.0, operations=0, messages=0)
    # one contiguous copy of each column: the rows are 72 bytes wide, and most of what follows is memory traffic
    kind = np.ascontiguousarray(rows["kind"])
    status = np.ascontiguousarray(rows["status"])
    invoked = np.ascontiguousarray(rows["invoked"])
    returned = np.ascontiguousarray(rows["returned"])
    done = returned != PENDING_RETURN
    start = int(invoked.min())
    ended = returned if bool(done.all()) else returned[done]
    end = int(ended.max()) if len(ended) else int(invoked.max())
    removed = np.isin(kind, [Kind.READ, Kind.TRY_READ, Kind.READ_MANY]) & (status == Status.OK)
    return Metrics(
        seconds=(end - start) / 1e9,
        operations=len(rows),
        messages=int(np.count_nonzero(removed)),
        throughput_over_time=_throughput(ended, start, end),
        rounds=_percentiles(np.ascontiguousarray(rows["retries"])[done].astype(np.int64) + 1),
        workers=_workers(np.ascontiguousarray(rows["worker"]), kind, invoked, returned, start, end),
        **_by_kind(rows, kind, status, invoked, returned, done),
    )


def _by_kind(
    rows: npt.NDArray[np.void],
    kind: npt.NDArray[np.uint8],
    status: npt.NDArray[np.uint8],
    invoked: npt.NDArray[np.int64],
    returned: npt.NDArray[np.int64],
    done: npt.NDArray[np.bool_],
) -> Mapping[str, Any]:
    # `slept` saturates at 32 bits, and a sum of them does not fit there
    slept = np.bincount(kind, weights=rows["slept"])
    counts = np.bincount(kind.astype(np.intp) * _STATUSES + status, minlength=len(Kind) * _STATUSES)
    retried = np.ascontiguousarray(rows["retries"])
    latency, retries, slept_ns, statuses = {}, {}, {}, {}
    for number in np.flatnonzero(np.bincount(kind)):
        name = Kind(int(number)).name.lower()
        chosen = kind == number
        ended = chosen & done
        if ended.any():
            latency[name] = _summary(returned[ended] - invoked[ended])
        retries[name] = _histogram(retried[chosen])
        slept_ns[name] = int(slept[number])
        row = counts[number * _STATUSES : (number + 1) * _STATUSES]
        statuses[name] = {Status(int(s)).name.lower(): int(row[s]) for s in np.flatnonzero(row)}
    return {"latency": latency, "retries": retries, "slept_ns": slept_ns, "statuses": statuses}


def _summary(latencies: npt.NDArray[np.int64]) -> LatencySummary:
    return LatencySummary(len(latencies), _percentiles(latencies))


def has_beyond(percent: float, count: int) -> bool:
    """Can a percentile be told from `count` values: does at least one of them lie beyond it? 99.99 % needs 10,000."""
    return percent < 100 and count * (100 - percent) >= 100 * (1 - 1e-9)  # 100 - 99.9 is a little less than 0.1


def _percentiles(values: npt.NDArray[np.int64]) -> tuple[tuple[float, float], ...]:
    if not len(values):
        return ()
    ranks = [max(0, int(np.ceil(percent / 100 * len(values))) - 1) for percent in PERCENTS]
    ordered = np.sort(values)
    return tuple((percent, float(ordered[rank])) for percent, rank in zip(PERCENTS, ranks, strict=True))


def _histogram(retries: npt.NDArray[np.uint32]) -> tuple[tuple[int, int], ...]:
    """Counts per number of retries; beyond 16 per power of two, named by its first number."""
    small = retries <= _SINGLE_RETRIES
    counts = np.bincount(retries[small])
    pairs = [(int(number), int(counts[number])) for number in np.flatnonzero(counts)]
    exponents = np.bincount(np.log2(retries[~small]).astype(np.intp))
    for exponent in np.flatnonzero(exponents):
        # the bin of 16 begins at 17: 16 has its own count
        pairs.append((max(1 << int(exponent), _SINGLE_RETRIES + 1), int(exponents[exponent])))
    return tuple(pairs)


def _throughput(ended: npt.NDArray[np.int64], start: int, end: int) -> tuple[tuple[float, float], ...]:
    """Responses per second in equal slices, stamped with the middle of the slice."""
    if end <= start or not len(ended):
        return ()
    width = (end - start) / _SLICES
    slices = np.minimum(((ended - start) / width).astype(np.intp), _SLICES - 1)
    counts = np.bincount(slices, minlength=_SLICES)
    return tuple(((n + 0.5) * width / 1e9, float(c) * 1e9 / width) for n, c in enumerate(counts.tolist()))


def _workers(
    worker: npt.NDArray[np.uint16],
    kind: npt.NDArray[np.uint8],
    invoked: npt.NDArray[np.int64],
    returned: npt.NDArray[np.int64],
    start: int,
    end: int,
) -> tuple[Mapping[str, Any], ...]:
    count = np.bincount(worker)
    writes = np.bincount(worker, weights=np.isin(kind, [kind.value for kind in Kind if kind.writes]))
    first = np.full(len(count), np.iinfo(np.int64).max)
    np.minimum.at(first, worker, invoked)
    last = np.zeros(len(count), np.int64)
    np.maximum.at(last, worker, np.where(returned == PENDING_RETURN, end, returned))
    return tuple(
        {
            "worker": int(number),
            "role": _role(int(writes[number]), int(count[number])),
            "operations": int(count[number]),
            "first_ns": int(first[number]) - start,
            "last_ns": int(last[number]) - start,
        }
        for number in np.flatnonzero(count)
    )


def _role(writes: int, operations: int) -> str:
    if writes == operations:
        return "writer"
    return "reader" if writes == 0 else "writer and reader"
