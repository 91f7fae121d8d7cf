"""A run record: everything that the report and the gate may know of a run.

Plain JSON, versioned. ``reports/schema/run-record.json`` is the published schema; a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.verdict import Outcome, Verdict

__all__ = [
    "Failure",
    "Interleaving",
    "LatencySummary",
    "Metrics",
    "RecordError",
    "RunRecord",
    "Step",
    "Timeline",
    "TimelineCall",
]

VERSION = 1


class RecordError(ValueError):
    """The file is no run record that this program reads."""


@dataclass(frozen=True)
class LatencySummary:
    """Latency of one kind of operation, in ns.

    Attributes:
        count: operations measured.
        percentiles: pairs (percent, ns) in rising order, e.g. (50, 120), (99.9, 4100); the last is (100, maximum).
    """

    count: int
    percentiles: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Metrics:
    """What a run measured.

    Attributes:
        seconds: from the start barrier to the last response.
        operations: operations in the history (messages of batches counted singly).
        messages: messages delivered.
        throughput_over_time: pairs (seconds since start, operations per second in that slice).
        latency: by kind of operation (lower case).
        retries: by kind: pairs (retries, number of operations with that many), only non-zero counts; beyond 16 the
            first of each power-of-two bin.
        slept_ns: by kind: time in back-off and waiting, all operations together.
        statuses: by kind: by status (lower case): operations.
        rounds: percentiles of rounds per operation: pairs (percent, rounds), as in LatencySummary.
        workers: per worker: {"worker": n, "role": str, "operations": n, "first_ns": n, "last_ns": n}.
    """

    seconds: float
    operations: int
    messages: int
    throughput_over_time: tuple[tuple[float, float], ...] = ()
    latency: Mapping[str, LatencySummary] = field(default_factory=dict)
    retries: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    slept_ns: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    rounds: tuple[tuple[float, float], ...] = ()
    workers: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "operations": self.operations,
            "messages": self.messages,
            "throughput_over_time": [list(pair) for pair in self.throughput_over_time],
            "latency": {
                kind: {"count": summary.count, "percentiles": [list(pair) for pair in summary.percentiles]}
                for kind, summary in self.latency.items()
            },
            "retries": {kind: [list(pair) for pair in pairs] for kind, pairs in self.retries.items()},
            "slept_ns": dict(self.slept_ns),
            "statuses": {kind: dict(counts) for kind, counts in self.statuses.items()},
            "rounds": [list(pair) for pair in self.rounds],
            "workers": [dict(worker) for worker in self.workers],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Metrics:
        return cls(
            seconds=data["seconds"],
            operations=data["operations"],
            messages=data["messages"],
            throughput_over_time=tuple((pair[0], pair[1]) for pair in data["throughput_over_time"]),
            latency={
                kind: LatencySummary(entry["count"], tuple((pair[0], pair[1]) for pair in entry["percentiles"]))
                for kind, entry in data["latency"].items()
            },
            retries={kind: tuple((pair[0], pair[1]) for pair in pairs) for kind, pairs in data["retries"].items()},
            slept_ns=dict(data["slept_ns"]),
            statuses={kind: dict(counts) for kind, counts in data["statuses"].items()},
            rounds=tuple((pair[0], pair[1]) for pair in data["rounds"]),
            workers=tuple(dict(worker) for worker in data["workers"]),
        )


@dataclass(frozen=True)
class TimelineCall:
    """One call as a timeline shows it; the messages of a batch are one call.

    Attributes:
        rows: of the history; more than one for a batch.
        worker: who called; kind: what; told: with what, and what came of it.
        outcome: ``"ok"``, ``"fail"`` (no effect) or ``"pending"`` (never returned).
        invoked, returned: in units of the timeline's clock since the history began; None if it never returned.
        near: its place when the calls are sorted by their distance from the witness, from 0.
        rank: its place in a linearization, from 1; None if it is in none that is known.
        point: an instant at which that linearization may have it, or None.
    """

    rows: tuple[int, ...]
    worker: str
    kind: str
    told: str
    outcome: str
    invoked: int
    returned: int | None
    near: int
    rank: int | None = None
    point: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "rows": list(self.rows)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TimelineCall:
        return cls(**{**data, "rows": tuple(data["rows"])})


@dataclass(frozen=True)
class Timeline:
    """The part of a history around its witness.

    Attributes:
        calls: in order of invocation; as many as a record bears.
        total: calls of the whole history.
        around: where in the history this is, in words.
        clock: ``"ns"``, or ``"order"`` where the history tells only what came before what.
        witness: rows that prove a violation, in the order in which they should be read.
        prefix: how much of the history is linearizable, and how that was decided; empty where nobody asked.
        stuck: row of the operation that the longest linearizable prefix cannot be continued with.
        caller: what who calls is called: ``"worker"``, or ``"process"`` in a file of events.
    """

    calls: tuple[TimelineCall, ...]
    total: int
    around: str = ""
    clock: str = "ns"
    witness: tuple[int, ...] = ()
    prefix: str = ""
    stuck: int | None = None
    caller: str = "worker"

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "calls": [call.to_json() for call in self.calls], "witness": list(self.witness)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Timeline:
        calls = tuple(TimelineCall.from_json(call) for call in data["calls"])
        return cls(**{**data, "calls": calls, "witness": tuple(data["witness"])})


@dataclass(frozen=True)
class Step:
    """One line of an interleaving.

    Attributes:
        worker: number of the worker; -1: of none. access: what it did to which location, in the explorer's words.
        stale: how many newer stores there were than the one that was read; 0: none.
        note: ``"killed"`` where the worker is killed, the words of the fault where it is found; else empty.
        file, line: of the source; empty and 0 where there is none. code: that line of it, or empty.
    """

    worker: int
    access: str
    stale: int = 0
    note: str = ""
    file: str = ""
    line: int = 0
    code: str = ""


@dataclass(frozen=True)
class Interleaving:
    """An execution of the explorer: the steps of all workers, in the order of the schedule."""

    workers: int
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        return {"workers": self.workers, "steps": [dict(step.__dict__) for step in self.steps]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Interleaving:
        return cls(data["workers"], tuple(Step(**step) for step in data["steps"]))


@dataclass(frozen=True)
class Failure:
    """One violation, ready to be shown.

    Attributes:
        property: the property broken; rule: its rule (both as in Verdict).
        sentence: what happened.
        operations: the witness, one line of text each (``History.describe``).
        command: reproduces it; reproduced: how often it did before it was printed, e.g. ``"5/5"``.
        exit: a dead child's exit signal or code, or empty; last_words: the end of its standard error.
        timeline: the history around the witness. interleaving: the execution that the explorer found.
    """

    property: str
    rule: str
    sentence: str
    operations: tuple[str, ...] = ()
    command: str = ""
    reproduced: str = ""
    exit: str = ""
    last_words: str = ""
    timeline: Timeline | None = None
    interleaving: Interleaving | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "operations": list(self.operations),
            "timeline": None if self.timeline is None else self.timeline.to_json(),
            "interleaving": None if self.interleaving is None else self.interleaving.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Failure:
        timeline, interleaving = data["timeline"], data["interleaving"]
        return cls(
            **{
                **data,
                "operations": tuple(data["operations"]),
                "timeline": None if timeline is None else Timeline.from_json(timeline),
                "interleaving": None if interleaving is None else Interleaving.from_json(interleaving),
            }
        )


@dataclass(frozen=True)
class RunRecord:
    """One cell of the report's table: one scenario on one executor in one mode.

    Attributes:
        kind: of run; the report has a section per kind. ``"stress"`` for real executors.
        scenario: e.g. ``"mwmr"``; executor: ``"threads"``, ``"processes"`` or ``"explored"``; mode: ``"native"`` or
            ``"api"``.
        parameters: writers, readers, messages, payload, capacity, ... as asked for.
        seed, program_digest: reproduce the program.
        outcome, reason: of all verdicts together (``Verdict.overall``).
        self_test: the planted bug that this harness convicted before the run: {"mutant": ..., "rule": ...}.
        started: ISO 8601 UTC; duration: s, everything included.
        environment: CPU, kernel, packages, ... (``harness.environment``); command: line that ran it.
        details: what a later kind of run adds; JSON types only.
        sample: a part of the history of a run that passed, to look at.
    """

    kind: str
    scenario: str
    executor: str
    mode: str
    parameters: Mapping[str, Any]
    seed: int
    program_digest: str
    outcome: Outcome
    reason: str
    verdicts: tuple[Verdict, ...]
    metrics: Metrics | None
    failures: tuple[Failure, ...] = ()
    self_test: Mapping[str, str] = field(default_factory=dict)
    started: str = ""
    duration: float = 0.0
    environment: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    sample: Timeline | None = None

    @property
    def assertions(self) -> dict[str, int]:
        """All assertions made, by name, over all verdicts."""
        total: dict[str, int] = {}
        for verdict in self.verdicts:
            for name, count in verdict.assertions.items():
                total[name] = total.get(name, 0) + count
        return total

    def to_json(self) -> dict[str, Any]:
        return {
            "run_record": VERSION,
            "kind": self.kind,
            "scenario": self.scenario,
            "executor": self.executor,
            "mode": self.mode,
            "parameters": dict(self.parameters),
            "seed": self.seed,
            "program_digest": self.program_digest,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "metrics": None if self.metrics is None else self.metrics.to_json(),
            "failures": [failure.to_json() for failure in self.failures],
            "self_test": dict(self.self_test),
            "started": self.started,
            "duration": self.duration,
            "environment": dict(self.environment),
            "command": self.command,
            "details": dict(self.details),
            "sample": None if self.sample is None else self.sample.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunRecord:
        """Inverse of `to_json`.

        Raises:
            RecordError: unknown version, missing fields, or a pass with a verdict that fails.
        """
        if data.get("run_record") != VERSION:
            raise RecordError(f"run record version {data.get('run_record')!r}; this program reads version {VERSION}")
        try:
            record = cls(
                kind=data["kind"],
                scenario=data["scenario"],
                executor=data["executor"],
                mode=data["mode"],
                parameters=data["parameters"],
                seed=data["seed"],
                program_digest=data["program_digest"],
                outcome=Outcome(data["outcome"]),
                reason=data["reason"],
                verdicts=tuple(Verdict.from_json(verdict) for verdict in data["verdicts"]),
                metrics=None if data["metrics"] is None else Metrics.from_json(data["metrics"]),
                failures=tuple(Failure.from_json(failure) for failure in data["failures"]),
                self_test=data["self_test"],
                started=data["started"],
                duration=data["duration"],
                environment=data["environment"],
                command=data["command"],
                details=data["details"],
                sample=None if data["sample"] is None else Timeline.from_json(data["sample"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"malformed run record: {error!r}") from error
        failed = [verdict.property for verdict in record.verdicts if verdict.outcome is Outcome.FAIL]
        if record.outcome is Outcome.PASS and failed:
            raise RecordError(f"a run record that says pass, although its verdict on {failed[0]} is fail")
        return record

    def save(self, path: Path | str) -> None:
        Path(path).write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> RunRecord:
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise RecordError(f"{path}: not a run record: {error}") from error
        return cls.from_json(data)

    def __str__(self) -> str:
        head = f"{self.scenario} on {self.executor} ({self.mode}): {self.outcome.value.upper()}: {self.reason}"
        return "\n".join([head, *(f"  {verdict}" for verdict in self.verdicts)])
