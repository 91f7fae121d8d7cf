"""Metrics of a history, against counts made by hand and against a slow second implementation."""

from __future__ import annotations

import time

import numpy as np
import pytest

from harness.history import OPERATION_RECORD, PENDING_RETURN, History, operation_record
from harness.metrics import compute_metrics
from harness.operation import Kind, Status


def test_nothing_measured() -> None:
    metrics = compute_metrics(History.of([]))
    assert (metrics.operations, metrics.messages, metrics.seconds) == (0, 0, 0.0)


def test_by_hand() -> None:
    history = History.of(
        [
            operation_record(Kind.WRITE, Status.OK, 1000, 1100, worker=0, retries=2, slept=40),
            operation_record(Kind.WRITE, Status.FULL, 1200, 1500, worker=0, retries=40, slept=2**32 - 1),
            operation_record(Kind.WRITE, Status.OK, 1600, PENDING_RETURN, worker=0, slept=2**32 - 1),
            operation_record(Kind.READ, Status.OK, 1050, 1350, worker=1),
            operation_record(Kind.PEEK, Status.OK, 1400, 1410, worker=1),
            operation_record(Kind.READ, Status.TIMEOUT, 1450, 2000, worker=1),
        ]
    )
    metrics = compute_metrics(history)
    assert metrics.seconds == pytest.approx(1e-6)
    assert (metrics.operations, metrics.messages) == (6, 1)
    assert metrics.latency["write"].count == 2
    assert dict(metrics.latency["write"].percentiles)[50] == 100
    assert metrics.latency["write"].percentiles[-1] == (100, 300)
    assert metrics.retries["write"] == ((0, 1), (2, 1), (32, 1))
    assert metrics.slept_ns["write"] == 40 + 2 * (2**32 - 1)
    assert metrics.statuses == {"write": {"ok": 2, "full": 1}, "read": {"ok": 1, "timeout": 1}, "peek": {"ok": 1}}
    assert metrics.rounds[-1] == (100, 41)
    assert [(w["role"], w["operations"]) for w in metrics.workers] == [("writer", 3), ("reader", 3)]
    assert metrics.workers[1]["last_ns"] == 1000
    assert type(metrics).from_json(metrics.to_json()) == metrics


@pytest.mark.parametrize(
    ("retries", "binned"), [(15, 15), (16, 16), (17, 17), (31, 17), (32, 32), (63, 32), (2**32 - 1, 2**31)]
)
def test_retry_bins(retries: int, binned: int) -> None:
    rows = [operation_record(Kind.WRITE, Status.OK, 0, 1, retries=r) for r in (retries, 40)]
    pairs = dict(compute_metrics(History.of(rows)).retries["write"])
    assert pairs[binned] == 1 + (binned == 32)
    assert sum(pairs.values()) == 2


def test_percentiles_and_slices_agree_with_a_slow_count() -> None:
    operations = _random_operations(5_000)
    metrics = compute_metrics(History(operations))
    for name, summary in metrics.latency.items():
        chosen = operations[operations["kind"] == Kind[name.upper()]]
        for percent, value in summary.percentiles:
            expected = np.percentile(chosen["returned"] - chosen["invoked"], percent, method="inverted_cdf")
            assert value == expected
    width = metrics.seconds / len(metrics.throughput_over_time)
    assert sum(rate * width for _, rate in metrics.throughput_over_time) == pytest.approx(len(operations))


@pytest.mark.timing
def test_time_grows_with_the_history_and_not_faster() -> None:
    def seconds(count: int) -> float:
        history = History(_random_operations(count))
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            compute_metrics(history)
            times.append(time.perf_counter() - begin)
        return min(times)

    assert seconds(1_000_000) < 30 * seconds(100_000)


def _random_operations(count: int) -> np.ndarray:
    generator = np.random.default_rng(7)
    operations = np.zeros(count, OPERATION_RECORD)
    operations["invoked"] = np.arange(count) * 300
    operations["returned"] = operations["invoked"] + generator.integers(50, 100_000, count)
    operations["kind"] = generator.integers(0, len(Kind), count)
    operations["worker"] = generator.integers(0, 4, count)
    operations["retries"] = generator.geometric(0.7, count) - 1
    return operations
