"""``check``: judge histories, whoever recorded them."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from harness.checks.judgement import BUDGET_S, FIFO, Judgement, judge
from harness.checks.specifications import SPECIFICATIONS, SpecificationError, find
from harness.commands.outputs import open_outputs
from harness.exchange.files import STANDARD_INPUT
from harness.exchange.memory import available
from harness.history import HistoryError
from harness.record import RunRecord
from harness.termination import do_part, end_children, follow_parent
from harness.verdict import Outcome

__all__ = ["command", "exit_code"]

_Judged = tuple[Judgement, RunRecord | None]
EXIT_USAGE = 2
_PRECEDENCE = (Outcome.FAIL.exit_code, EXIT_USAGE, Outcome.INCONCLUSIVE.exit_code, Outcome.PASS.exit_code)


@dataclass(frozen=True)
class _Task:
    """What is to be done with one file; arguments as for `judge`. recorded: for a report, too."""

    file: str
    specification: str | None
    budget: float
    drained: bool
    memory: int
    stream: bool
    recorded: bool

    @property
    def runs_foreign_code(self) -> bool:
        """Is it judged by a class of the user?"""
        return self.specification not in (None, *SPECIFICATIONS)


@click.command("check")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option(
    "--spec",
    "specification",
    metavar="NAME|MODULE:CLASS",
    help="What the history is of; the default is what its header says, or fifo; '?' lists them.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=BUDGET_S,
    show_default=True,
    metavar="S",
    help="Seconds per file for the general search; afterwards it is inconclusive.",
)
@click.option(
    "--drained", is_flag=True, help="The channel was empty at the end: a message that never came out is lost."
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GB",
    help="What all files judged at a time may take; a larger history is refused.  [default: what the machine has]",
)
@click.option(
    "--stream",
    is_flag=True,
    help="Judge a FIFO while it is read, however long: it need not fit into memory, nor end.",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Files judged at a time.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write the verdicts as JSON; '-': standard output.",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write index.html, with a timeline, results.json and junit.xml.",
)
def command(
    files: tuple[str, ...],
    specification: str | None,
    budget: float,
    drained: bool,
    memory: float | None,
    stream: bool,
    jobs: int,
    json_file: Path | None,
    report: Path | None,
) -> int:
    """Judge recorded histories: JSON Lines, .npz, Jepsen's .edn or .log, each also with .gz; '-' is standard input.

    A file that was not understood is an error, never a verdict. The exit code is 1 if any file holds a violation, else
    2 if any was not understood, else 4 if any was not decided, else 0.
    """
    if specification == "?":
        for name, known in SPECIFICATIONS.items():
            click.echo(f"{name:18} {(known.__doc__ or '').strip().splitlines()[0]}")
        return 0
    if not files:
        raise click.UsageError("no FILE; give histories, or '-' for standard input")
    if specification is not None:
        try:
            find(specification)
        except SpecificationError as error:
            raise click.UsageError(str(error)) from error
    if files.count(STANDARD_INPUT) > 1:
        raise click.UsageError("'-' is given twice; standard input can be read once")
    if stream and specification not in (None, FIFO):
        raise click.UsageError(f"--stream judges a {FIFO} alone, not {specification!r}; leave --stream out")
    for name, number in (("--budget", budget), ("--memory", memory)):
        if number is not None and not math.isfinite(number):
            raise click.UsageError(f"{name} {number}; expected a finite number")
    limit = int(memory * 1e9) if memory is not None else available()
    open_outputs(json_file, report=report)
    share = limit // min(jobs, len(files))
    tasks = [_Task(file, specification, budget, drained, share, stream, report is not None) for file in files]
    judged = _judge_all(tasks, jobs)
    if report is not None:
        _write_report([record for _, record in judged if record is not None], report)
    return _tell([judgement for judgement, _ in judged], json_file)


def _judge_all(tasks: list[_Task], jobs: int) -> list[_Judged]:
    """Judge every file, several at a time; one that is not understood does not keep the others from their verdicts.

    Standard input is read here, for a process that is killed takes what it has read with it. What runs a class of the
    user, which may end its process, is judged in others.
    """
    foreign = any(task.runs_foreign_code for task in tasks)
    if not foreign and (len(tasks) == 1 or jobs == 1):
        return [_judge_one(task) for task in tasks]
    judgements: dict[int, _Judged] = {}
    here = [index for index, task in enumerate(tasks) if task.file == STANDARD_INPUT]
    there = [index for index, task in enumerate(tasks) if task.file != STANDARD_INPUT]
    if foreign:
        judgements |= {index: _judge_alone(tasks[index]) for index in here}
    with _processes(max(1, min(jobs, len(tasks)) - len(here))) as pool:
        pending = {index: pool.submit(do_part, _judge_one, tasks[index]) for index in there}
        judgements |= {index: _judge_one(tasks[index]) for index in here if index not in judgements}
        for index, future in pending.items():
            with suppress(BrokenProcessPool):
                judgements[index] = future.result()
    # one process that ended breaks the pool for all: what it left is judged in a process of its own each
    for index in there:
        if index not in judgements:
            judgements[index] = _judge_alone(tasks[index])
    return [judgements[index] for index in range(len(tasks))]


def _judge_alone(task: _Task) -> _Judged:
    """Judge one file in a process of its own."""
    with _processes(1) as alone:
        try:
            return alone.submit(do_part, _judge_one, task).result()
        except BrokenProcessPool:
            cause = "was it killed, and is there memory enough?"
            if task.runs_foreign_code:
                cause = f"does {task.specification} end it, or was it killed?"
            error = f"{task.file}: the process that judged it ended without an answer; {cause}"
            return _recorded(Judgement(task.file, error=error), task)


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes to judge in; an interrupt, or SIGTERM, ends them in the middle of what they do."""
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin_process) as pool:
        try:
            yield pool
        except BaseException:
            end_children()
            raise


def _begin_process() -> None:
    """A process of a pool does not read standard input by default, although it has it."""
    follow_parent()
    with suppress(OSError):  # it may be closed
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)


def _judge_one(task: _Task) -> _Judged:
    start = time.monotonic()
    try:
        judgement = _judged(task)
    except (HistoryError, SpecificationError) as error:
        judgement = Judgement(task.file, error=str(error))
    return _recorded(judgement, task, time.monotonic() - start)


def _judged(task: _Task) -> Judgement:
    if task.stream:
        from harness.checks.stream import judge_stream

        return judge_stream(task.file, task.specification, drained=task.drained, memory=task.memory)
    return judge(
        task.file,
        task.specification,
        budget=task.budget,
        drained=task.drained,
        memory=task.memory,
        tell=_foresee,
    )


def _recorded(judgement: Judgement, task: _Task, seconds: float = 0.0) -> _Judged:
    """The judgement with its record, if one is wanted; the operations stay in the process that read them."""
    record = None
    if task.recorded:
        from harness.checks.record import checked_record

        record = checked_record(judgement, command=shlex.join(["channel-harness", *sys.argv[1:]]), seconds=seconds)
    return replace(judgement, history=None, order=()), record


def _write_report(records: list[RunRecord], folder: Path) -> None:
    from reports import announce, write_report

    click.echo(f"report: {write_report(records, folder)}", err=True)
    announce(records)


def _foresee(sentence: str) -> None:
    click.echo(sentence, err=True)


def _tell(judgements: list[Judgement], json_file: Path | None) -> int:
    to_stdout = json_file is not None and str(json_file) == "-"
    for judgement in judgements:
        if judgement.error:
            click.echo(_visible(f"channel-harness check: {judgement.error}"), err=True)
            continue
        outcome, reason = judgement.outcome
        click.echo(_visible(f"{outcome.value.upper():12} {judgement.file}  {reason}"), err=to_stdout)
        for verdict in judgement.verdicts:
            click.echo(_visible(f"  {verdict}"), err=to_stdout)
            for row in verdict.witness.operations if verdict.witness is not None else ():
                click.echo(_visible(f"    {judgement.operations[row]}"), err=to_stdout)
    if json_file is not None:
        text = json.dumps({"check": 1, "files": [_as_json(judgement) for judgement in judgements]}, indent=1)
        if to_stdout:
            click.echo(text)
        else:
            json_file.write_text(text + "\n", encoding="utf-8")
    return exit_code(judgements)


def _visible(line: str) -> str:
    """One line, whatever a value or a name in it contains: nothing in a file forges a verdict or steers a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def exit_code(judgements: Iterable[Judgement]) -> int:
    """A violation outweighs a file that was not understood, and that one a file that was not decided."""
    found = {EXIT_USAGE if judgement.error else judgement.outcome[0].exit_code for judgement in judgements}
    return next(code for code in _PRECEDENCE if code in found)


def _as_json(judgement: Judgement) -> dict[str, Any]:
    if judgement.error:
        return {"file": judgement.file, "outcome": "error", "reason": judgement.error, "verdicts": [], "operations": {}}
    outcome, reason = judgement.outcome
    return {
        "file": judgement.file,
        "outcome": outcome.value,
        "reason": reason,
        "verdicts": [verdict.to_json() for verdict in judgement.verdicts],
        "operations": {str(row): text for row, text in judgement.operations.items()},
    }
