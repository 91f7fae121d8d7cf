"""Run records as real runs leave them: a pass, a failure with its witness, an inconclusive run, a dead child."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.history import OPERATION_RECORD, History
from harness.metrics import compute_metrics
from harness.operation import Kind, Status
from harness.record import Failure, RunRecord
from harness.verdict import Verdict, Witness

SCENARIOS = {
    "swsr": "single writer, single reader",
    "mwsr": "multiple writers, single reader",
    "mwmr": "multiple writers, multiple readers",
    "skip-vs-read": "a race between skip and read",
}


def history(seed: int, count: int = 20_000) -> History:
    """Not a legal history, but one with the spread of times, retries and answers that real ones have."""
    generator = np.random.default_rng(seed)
    operations = np.zeros(count, OPERATION_RECORD)
    operations["worker"] = generator.integers(0, 4, count)
    kinds = np.where(
        operations["worker"] < 2, Kind.WRITE, generator.choice([Kind.READ, Kind.TRY_READ, Kind.PEEK], count)
    )
    operations["kind"] = kinds
    operations["invoked"] = np.cumsum(generator.exponential(150, count)).astype(np.int64)
    operations["returned"] = operations["invoked"] + (80 * generator.pareto(1.4, count) + 90).astype(np.int64)
    operations["retries"] = np.minimum(generator.zipf(2.6, count) - 1, 900)
    operations["slept"] = np.where(operations["retries"] > 2, operations["retries"] * 1_500, 0)
    operations["status"] = generator.choice([Status.OK, Status.EMPTY], count, p=[0.9, 0.1])
    return History(operations)


def record(scenario: str = "mwmr", executor: str = "threads", mode: str = "native", *verdicts: Verdict) -> RunRecord:
    """A run with these verdicts; without any, it passes."""
    judged = verdicts or (
        Verdict.passed(
            "integrity", "100,000 messages, each once and whole", {"read whole": 100_000, "read once": 100_000}
        ),
        Verdict.passed("fifo", "decided exactly; FULL by certificate", {"read in order": 100_000, "EMPTY true": 4_210}),
        Verdict.passed("timeliness", "no time-out was early", {"time-out not early": 2_113}),
        Verdict.passed("progress", "p99.9 is 4 rounds", {"worker not starved": 4}),
    )
    outcome, reason = Verdict.overall(judged)
    seed = 2_024 + sum(map(ord, scenario + executor + mode))
    return RunRecord(
        kind="stress",
        scenario=scenario,
        executor=executor,
        mode=mode,
        parameters={"writers": 2, "readers": 2, "messages": 100_000, "payload_min": 8, "payload_max": 256},
        seed=7,
        program_digest="6fd0a1b2c3d4e5f6",
        outcome=outcome,
        reason=reason,
        verdicts=judged,
        metrics=compute_metrics(history(seed)),
        self_test={"doubled-message": "duplicated", "torn-payload": "torn"},
        started="2025-03-01T12:00:00+00:00",
        duration=2.25,
        environment={
            "cpu": "AMD EPYC", "cores": 2, "memory_bytes": 8 << 30, "kernel": "Linux 6.1.0 x86_64", "gil": "on",
            "python": "CPython 3.11.7", "packages": {"numpy": "2.1.0"}, "commit": "0123456789ab",
            "load": 1.2, "load_before": 0.4,
        },
        command="channel-harness run --report out",
        details={"title": SCENARIOS.get(scenario, ""), "rounds": 1},
    )  # fmt: skip


def failed(hostile: str = "") -> RunRecord:
    """A lost order, with a witness of three operations."""
    sentence = f"message 0:17 went in before 0:18 but came out after it{hostile}"
    base = record(
        "mwsr", "processes", "native", Verdict.failed("fifo", "ORDER", Witness(sentence, (3, 9, 12)), {"read": 12})
    )
    failure = Failure(
        "fifo",
        "ORDER",
        sentence,
        (
            "#3 worker 0 write message 0:17 -> OK id 272  [1,204 .. 1,391] ns",
            "#9 worker 0 write message 0:18 -> OK id 288  [1,502 .. 1,655] ns",
            "#12 worker 2 try_read message 0:18 -> OK id 288  [1,700 .. 1,911] ns",
        ),
        "channel-harness run mwsr --on processes --mode native --messages 100 --seed 7",
        "5/5",
    )
    return replace(base, failures=(failure,))


def dead() -> RunRecord:
    """A worker that died of a segmentation fault."""
    sentence = "worker 1 died (SIGSEGV)"
    words = "Fatal Python error: Segmentation fault\n\x1b[31mCurrent thread\x1b[0m <no Python frame>\x00"
    failure = Failure(
        "workers", "died", sentence, (), "channel-harness run swsr --seed 7", "1/5", "worker 1: SIGSEGV", words
    )
    return replace(
        record("swsr", "processes", "api", Verdict.failed("workers", "died", Witness(sentence))), failures=(failure,)
    )


def inconclusive() -> RunRecord:
    return record("skip-vs-read", "threads", "api", Verdict.passed("fifo", "the run was cut short", {}))


def green() -> list[RunRecord]:
    """What the default run leaves: four scenarios, two executors, two modes, all passed."""
    return [record(s, e, m) for s in SCENARIOS for e in ("threads", "processes") for m in ("native", "api")]


def mixed() -> list[RunRecord]:
    return [record("swsr"), failed(), dead(), inconclusive(), record("mwmr", "threads", "api")]
