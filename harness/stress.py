"""Run a scenario on real threads or processes, judge it, and say so in a run record.

The way of the data: Scenario -> Program -> Executor -> History -> checks -> Verdict -> RunRecord. A run first convicts
planted bugs with the same executor and checks; if it cannot, it is blind, and its own verdict is worth nothing.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from harness.checks import check_history
from harness.coverage import check_coverage, count_events
from harness.engine import Engine, EngineLost, deal
from harness.environment import environment
from harness.executors import Execution, processes, threads
from harness.history import History
from harness.metrics import compute_metrics
from harness.operation import Kind, message_value
from harness.program import Program, operations
from harness.record import Failure, RunRecord, Timeline
from harness.scenario import Parameters, Scenario
from harness.systems.channel import ChannelSystem
from harness.timeline import timeline_of
from harness.verdict import Outcome, Verdict, Witness
from harness.words import counted

__all__ = ["EXECUTORS", "MODES", "Cell", "StressResult", "convict", "stress"]

EXECUTORS = ("threads", "processes")
MODES = ("native", "api")

RUN_DEADLINE_S = 60.0
"""A program that has not ended by then is cut, and fails as a livelock."""

ROUND_PATIENCE_S = 600.0
"""How long an engine may be silent: a round can take its deadline, and its checks longer."""

SELF_TEST_DEADLINE_S = 10.0
_SELF_TEST_MESSAGES = 60

REPRODUCTIONS = 5
REPRODUCTION_BUDGET_S = 20.0

SELF_TEST_MUTANTS = {"doubled-message": "duplicated", "dropped-message": "lost", "torn-payload": "torn"}
"""Planted bugs that every run convicts first, and the rule of the integrity check that must convict each."""


@dataclass(frozen=True)
class Cell:
    """Where a scenario runs: executor, mode, and the planted bug in place of the core, if any."""

    executor: str
    mode: str = "native"
    mutant: str | None = None

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise ValueError(f"executor is one of {', '.join(EXECUTORS)}; got {self.executor!r}")
        if self.mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}; got {self.mode!r}")


@dataclass(frozen=True)
class StressResult:
    """A run record, and the history that it was judged by (of the round that failed, or of the last one)."""

    record: RunRecord
    history: History


def stress(
    scenario: Scenario,
    parameters: Parameters | None = None,
    cell: Cell | None = None,
    *,
    seeds: int = 1,
    duration: float | None = None,
    engine: Engine | None = None,
    self_test: Mapping[str, str] | Verdict | None = None,
    command: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> StressResult:
    """Run a scenario in one cell and judge every operation.

    With several seeds, or a duration, it is a campaign: rounds of programs with successive seeds, on any engine, until
    one fails.

    Args:
        scenario: what to run. parameters: default: the scenario's own. cell: default: threads, native.
        seeds: rounds. duration: s; instead of a number of rounds: go on until it is over.
        engine: where rounds run, several at a time; default: here, one after another.
        self_test: what `convict` said for this executor and mode; None: it is asked now.
        command: the command line that asked for the run, for the record.
        progress: is told what is happening, a few words at a time.

    Returns:
        The record: fail if any check fails in any round; inconclusive if the harness is blind, a round was cut or did
        not come back, or no round ever met what the scenario is for.

    Raises:
        EngineLost: not one round came back.
    """
    parameters = parameters or scenario.parameters()
    cell = cell or Cell("threads")
    started, begin = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    before = environment()
    if self_test is None:
        progress("self-test")
        self_test = convict(cell)

    engine = engine or Engine("here", 1)
    resubmitted = engine.resubmitted
    verdicts: list[Verdict] = []
    events: dict[str, int] = {}
    begun = rounds = 0
    failed = False

    def next_program(_: int) -> Program | None:
        nonlocal begun
        if begun > 0 and (begun >= seeds if duration is None else time.monotonic() - begin >= duration):
            return None
        progress("running" if seeds == 1 and duration is None else f"round {begun + 1}")
        begun += 1
        return scenario.program(replace(parameters, seed=parameters.seed + begun - 1))

    lost: list[Verdict] = []
    try:
        for round_program, (round_execution, judged) in deal(
            engine, partial(run_round, cell), next_program, patience=ROUND_PATIENCE_S
        ):
            program, execution = round_program, round_execution
            verdicts = merge_rounds(verdicts, judged)
            for name, count in count_events(execution.history).items():
                events[name] = events.get(name, 0) + count
            rounds += 1
            failed = any(verdict.outcome is Outcome.FAIL for verdict in judged)
            if failed:
                break
    except EngineLost as error:
        if rounds == 0:
            raise
        lost = [Verdict.inconclusive("rounds", f"{rounds} of {counted(begun, 'round')} came back: {error}")]
    verdicts += lost
    verdicts += [check_coverage(events, scenario.exercises), _self_test_verdict(self_test)]
    outcome, reason = Verdict.overall(verdicts)
    failures = _failures(scenario, program, execution, verdicts, cell, progress) if failed else ()
    record = RunRecord(
        kind="stress",
        scenario=scenario.name,
        executor=cell.executor,
        mode=cell.mode,
        parameters={**parameters.to_json(), **({"mutant": cell.mutant} if cell.mutant else {})},
        seed=program.seed,
        program_digest=program.digest,
        outcome=outcome,
        reason=reason,
        verdicts=tuple(verdicts),
        metrics=compute_metrics(execution.history),
        failures=failures,
        self_test={} if isinstance(self_test, Verdict) else dict(self_test),
        started=started,
        duration=time.monotonic() - begin,
        environment={**environment(), "load_before": before["load"]},
        command=command,
        details={
            "title": scenario.title,
            "claim": scenario.claim,
            "rounds": rounds,
            "events": events,
            "engine": engine.name,
            "jobs": engine.jobs,
            "resubmitted": engine.resubmitted - resubmitted,
        },
    )
    return StressResult(record, execution.history)


def run_program(program: Program, cell: Cell, **options: Any) -> Execution:
    """Run one program in a cell; the options are those of ``harness.executors.Options``."""
    run = threads.run if cell.executor == "threads" else processes.run
    return run(program, system=ChannelSystem(cell.mutant), mode=cell.mode, **{"deadline_s": RUN_DEADLINE_S, **options})


def run_round(cell: Cell, program: Program) -> tuple[Execution, list[Verdict]]:
    """One program, and all checks on it; both are plain data, so that it can be done anywhere."""
    execution = run_program(program, cell)
    return execution, judge(program, execution)


def judge(program: Program, execution: Execution) -> list[Verdict]:
    """All checks on one execution."""
    verdicts = check_history(
        execution.history,
        drained=execution.drained,
        config=program.config,
        unfinished=execution.unfinished,
    )
    return [*verdicts, _deaths(execution)]


def merge_rounds(before: list[Verdict], after: list[Verdict]) -> list[Verdict]:
    """The verdicts of all rounds so far: assertions add up; a failure, else an inconclusive round, stands."""
    if not before:
        return after
    merged = []
    for old, new in zip(before, after, strict=True):
        total = dict(old.assertions)
        for name, count in new.assertions.items():
            total[name] = total.get(name, 0) + count
        severity = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL]
        stands = old if severity.index(old.outcome) > severity.index(new.outcome) else new
        merged.append(replace(stands, assertions=total))
    return merged


def convict(cell: Cell) -> Mapping[str, str] | Verdict:
    """Let the harness convict its planted bugs in this executor and mode.

    Returns:
        By mutant the rule that convicted it; or, if one of them got away, the inconclusive verdict that says so.
    """
    script = operations(
        {"kind": Kind.WRITE, "value": message_value(0, number), "size": 16 + number % 50}
        for number in range(_SELF_TEST_MESSAGES)
    )
    reader = operations([{"kind": Kind.READ, "timeout": 50_000_000}])
    program = Program("self-test", (script, reader), 4096)
    convicted: dict[str, str] = {}
    for mutant, rule in SELF_TEST_MUTANTS.items():
        planted = replace(cell, mutant=f"{mutant}:{_SELF_TEST_MESSAGES // 3}")
        execution = run_program(program, planted, deadline_s=SELF_TEST_DEADLINE_S)
        rules = {verdict.rule for verdict in judge(program, execution) if verdict.outcome is Outcome.FAIL}
        if rule not in rules:
            found = ", ".join(sorted(rules)) or "nothing"
            return Verdict.inconclusive(
                "self-test", f"the harness is blind: it was given {mutant} and found {found} instead of '{rule}'"
            )
        convicted[mutant] = rule
    return convicted


def _self_test_verdict(self_test: Mapping[str, str] | Verdict) -> Verdict:
    if isinstance(self_test, Verdict):
        return self_test
    names = ", ".join(self_test)
    return Verdict.passed(
        "self-test", f"planted bugs were convicted before the run: {names}", {"planted bug convicted": len(self_test)}
    )


def _deaths(execution: Execution) -> Verdict:
    """Did every worker live to the end that was not killed on purpose?"""
    unplanned = [death for death in execution.dead if not death.planned]
    if unplanned:
        sentence = "; ".join(
            f"worker {death.worker} died ({death.exit})" + (f": {death.last_words}" if death.last_words else "")
            for death in unplanned
        )
        return Verdict.failed("workers", "died", Witness(sentence))
    workers = len({int(worker) for worker in execution.history.operations["worker"]})
    return Verdict.passed("workers", "no worker died that was not killed on purpose", {"worker lived": workers})


def _failures(
    scenario: Scenario,
    program: Program,
    execution: Execution,
    verdicts: list[Verdict],
    cell: Cell,
    progress: Callable[[str], object],
) -> tuple[Failure, ...]:
    """Each failed verdict, with its witness, and a command that was run again before it is shown."""
    failed = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    command = _reproduce_command(scenario, program, cell)
    # running the program again does not kill a worker again
    again, tries = _reproduce(program, cell, {verdict.property for verdict in failed} - {"workers"}, progress)
    died = [death for death in execution.dead if not death.planned]
    timelines = _timelines(execution, failed)
    return tuple(
        Failure(
            property=verdict.property,
            rule=verdict.rule,
            sentence=verdict.reason,
            operations=tuple(execution.history.describe(row) for row in verdict.witness.operations)
            if verdict.witness
            else (),
            command=command,
            reproduced=f"{again.get(verdict.property, 0)}/{tries}" if tries else "not tried",
            exit=", ".join(f"worker {death.worker}: {death.exit}" for death in died),
            last_words="\n".join(death.last_words for death in died if death.last_words),
            timeline=timeline,
        )
        for verdict, timeline in zip(failed, timelines, strict=True)
    )


def _timelines(execution: Execution, failed: list[Verdict]) -> list[Timeline | None]:
    """Of each failed verdict that has a witness; those that have the same share the first one's."""
    out_of_order = any(verdict.property == "fifo" for verdict in failed)
    drawn: set[tuple[int, ...]] = set()
    timelines: list[Timeline | None] = []
    for verdict in failed:
        rows = () if verdict.witness is None else verdict.witness.operations
        timelines.append(
            timeline_of(execution.history, rows, broken=out_of_order) if rows and rows not in drawn else None
        )
        drawn.add(rows)
    return timelines


def _reproduce(
    program: Program, cell: Cell, properties: set[str], progress: Callable[[str], object]
) -> tuple[dict[str, int], int]:
    """Run the program again; by property, how often it failed again, and in how many tries."""
    begin = time.monotonic()
    again: dict[str, int] = {}
    tries = 0
    while properties and tries < REPRODUCTIONS and (tries == 0 or time.monotonic() - begin < REPRODUCTION_BUDGET_S):
        tries += 1
        progress(f"it failed; running it again, {tries} of at most {REPRODUCTIONS}")
        for verdict in judge(program, run_program(program, cell)):
            if verdict.outcome is Outcome.FAIL and verdict.property in properties:
                again[verdict.property] = again.get(verdict.property, 0) + 1
    return again, tries


def _reproduce_command(scenario: Scenario, program: Program, cell: Cell) -> str:
    """The command line that runs this program in this cell; options that are the defaults are left out."""
    chosen, defaults = program.parameters, scenario.defaults.to_json()
    words = ["channel-harness", "run", scenario.name, "--on", cell.executor, "--mode", cell.mode]
    words += ["--messages", str(chosen["messages"]), "--seed", str(chosen["seed"])]
    for name in ("writers", "readers", "capacity"):
        if chosen[name] != defaults[name]:
            words += [f"--{name}", str(chosen[name])]
    if (chosen["payload_min"], chosen["payload_max"]) != (defaults["payload_min"], defaults["payload_max"]):
        words += ["--payload", f"{chosen['payload_min']}-{chosen['payload_max']}"]
    if cell.mutant:
        words += ["--mutant", cell.mutant]
    return shlex.join(words)
