"""``check``: judge histories, whoever recorded them."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.history import HistoryError
from harness.verdict import Verdict

if TYPE_CHECKING:
    from harness.history import History

__all__ = ["command", "judge"]

_FIFO = "fifo"
_BUDGET_S = 60.0


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
    default=_BUDGET_S,
    show_default=True,
    metavar="S",
    help="Seconds per file for the general search; afterwards it is inconclusive.",
)
@click.option(
    "--drained", is_flag=True, help="The channel was empty at the end: a message that never came out is lost."
)
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Files judged at a time.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write the verdicts as JSON; '-': standard output.",
)
def command(
    files: tuple[str, ...],
    specification: str | None,
    budget: float,
    drained: bool,
    jobs: int,
    json_file: Path | None,
) -> int:
    """Judge recorded histories: JSON Lines, .npz, Jepsen's .edn or .log, each also with .gz; '-' is standard input.

    A file that was not understood is an error, never a verdict.
    """
    from harness.checks.specifications import SPECIFICATIONS, SpecificationError, find

    if specification == "?":
        for name, known in SPECIFICATIONS.items():
            click.echo(f"{name:18} {(known.__doc__ or '').strip().splitlines()[0]}")
        return 0
    if not files:
        raise click.UsageError("no FILE; give histories, or '-' for standard input")
    try:
        if specification is not None:
            find(specification)
        tasks = [(file, specification, budget, drained) for file in files]
        if len(files) > 1 and jobs > 1:
            with ProcessPoolExecutor(min(jobs, len(files)), get_context("spawn")) as pool:
                judged = list(pool.map(_judge, *zip(*tasks, strict=True)))
        else:
            judged = [_judge(*task) for task in tasks]
    except (HistoryError, SpecificationError) as error:
        raise click.UsageError(str(error)) from error
    return _tell(dict(zip(files, judged, strict=True)), json_file)


Judged = tuple[list[Verdict], dict[int, str]]


def _judge(file: str, specification: str | None, budget: float, drained: bool) -> Judged:
    return judge(file, specification, budget=budget, drained=drained)


def judge(file: str, specification: str | None = None, *, budget: float = _BUDGET_S, drained: bool = False) -> Judged:
    """The verdicts about one file, and the operations of their witnesses as text.

    Raises:
        HistoryError: the file was not understood. SpecificationError: there is no such specification.
    """
    from harness.checks.specifications import find
    from harness.checks.wgl import check_specification
    from harness.exchange import history_of, load_history, load_recording

    if Path(file).name.removesuffix(".gz").endswith(".npz") and specification in (None, _FIFO):
        return _judge_fifo(load_history(file), drained)
    recording = load_recording(file)
    named = specification or str(recording.header.get("spec") or _FIFO)
    if named == _FIFO:
        return _judge_fifo(history_of(recording), drained)
    verdict = check_specification(recording, find(named), budget=budget)
    rows = verdict.witness.operations if verdict.witness is not None else ()
    return [verdict], {row: f"line {recording.calls[row].line}: {recording.calls[row]}" for row in rows}


def _judge_fifo(history: History, drained: bool) -> Judged:
    """What can be judged of a channel whose configuration nobody knows: not its retry policy, nor its progress."""
    from harness.checks import check_fifo, check_integrity, check_timeliness
    from harness.checks.model import model_of

    model = model_of(history)
    verdicts = [check_integrity(history, drained=drained, model=model), check_fifo(history, model)]
    timed = check_timeliness(history, slice_ns=None)
    # a history without time-outs says nothing of them, and is not inconclusive for that
    verdicts += [timed] if sum(timed.assertions.values()) else []
    rows = {row for verdict in verdicts if verdict.witness is not None for row in verdict.witness.operations}
    return verdicts, {row: history.describe(row) for row in sorted(rows)}


def _tell(judged: dict[str, Judged], json_file: Path | None) -> int:
    every = [verdict for verdicts, _ in judged.values() for verdict in verdicts]
    to_stdout = json_file is not None and str(json_file) == "-"
    for file, (verdicts, operations) in judged.items():
        outcome, reason = Verdict.overall(verdicts)
        click.echo(f"{outcome.value.upper():12} {file}  {reason}", err=to_stdout)
        for verdict in verdicts:
            click.echo(f"  {verdict}", err=to_stdout)
            for row in verdict.witness.operations if verdict.witness is not None else ():
                click.echo(f"    {operations[row]}", err=to_stdout)
    if json_file is not None:
        text = json.dumps({"check": 1, "files": [_as_json(file, found) for file, found in judged.items()]}, indent=1)
        if to_stdout:
            click.echo(text)
        else:
            json_file.write_text(text + "\n", encoding="utf-8")
    outcome, _ = Verdict.overall(every)
    return outcome.exit_code


def _as_json(file: str, judged: Judged) -> dict[str, Any]:
    verdicts, operations = judged
    outcome, reason = Verdict.overall(verdicts)
    return {
        "file": file,
        "outcome": outcome.value,
        "reason": reason,
        "verdicts": [verdict.to_json() for verdict in verdicts],
        "operations": {str(row): text for row, text in operations.items()},
    }
