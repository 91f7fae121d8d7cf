"""``gate``: is this checkout slower than a reference?"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import EXIT_ENVIRONMENT
from harness.words import before_and_after, counted

if TYPE_CHECKING:
    from harness.commands.talk import Talk
    from harness.gate.run import GateRun
    from harness.gate.self_test import SelfTest

__all__ = ["command"]

EXIT_VIOLATION = 1
EXIT_INCONCLUSIVE = 4
HISTORY = Path("build/gate/history.jsonl")


@click.command("gate")
@click.option(
    "--reference",
    metavar="REV|DIR",
    help="A revision of git, or a folder with another checkout; default: a mutex ring in this tree.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write the run record as JSON; '-': standard output.",
)
@click.option("--strict", is_flag=True, help="Exit 4 where timing is inconclusive, instead of a warning.")
@click.option("--self-test", is_flag=True, help="Plant delays of 3, 5, 10 and 20 % and print how often they are found.")
@click.option("--short", is_flag=True, help="With --self-test: only 20 %, fewer decisions; under a minute.")
@click.option("--counters-only", is_flag=True, help="Compare the exact counters, and time nothing.")
@click.option("--accept-counters", is_flag=True, help="Write the exact counters of this tree as the agreed ones.")
@click.option(
    "--history",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=f"Append this run as a line of JSON; default: {HISTORY} in the checkout.",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write index.html, results.json and junit.xml.",
)
def command(**options: Any) -> int:
    """Judge the core of the checkout around the current folder: exact counters, path cost, contention.

    Exit codes: 0 pass (timing that is inconclusive warns), 1 a path does not work or the self-test fails, 3
    regression, 4 inconclusive with --strict, or a self-test on too noisy a machine, 5 it cannot run. docs/gate.md
    tells the rule.
    """
    from harness.gate.source import BrokenPath, GateError, checkout

    _refuse_contradictions(options)
    try:
        root = checkout(Path.cwd())
        if options["accept_counters"]:
            return _accept(root)
        if options["counters_only"]:
            return _counters(root)
        if options["self_test"]:
            return _self_test(root, options)
        return _gate(root, options)
    except BrokenPath as error:
        _tell(f"FAIL: {error}")
        return EXIT_VIOLATION
    except (GateError, OSError) as error:
        _tell(f"channel-harness gate: {error}")
        return EXIT_ENVIRONMENT


def _tell(what: str) -> None:
    """Why there is no judgement; to GitHub too, which else would show a red step without a word."""
    from harness.gate.announce import failure

    click.echo(what, err=True)
    if command_for_github := failure(what):
        click.echo(command_for_github, err=True)


_JOBS = ("self_test", "counters_only", "accept_counters")
_GATE_ALONE = ("reference", "strict", "history", "report")


def _refuse_contradictions(options: dict[str, Any]) -> None:
    def flag(name: str) -> str:
        return "--" + name.removesuffix("_file").replace("_", "-")

    given = [name for name, value in options.items() if value not in (None, False)]
    jobs = [name for name in given if name in _JOBS]
    if len(jobs) > 1:
        raise click.UsageError(f"give one of {' and '.join(map(flag, jobs))}: each is a job of its own")
    if "short" in given and jobs != ["self_test"]:
        raise click.UsageError("--short is the short form of --self-test; give both")
    meaningless = [name for name in given if name in _GATE_ALONE or name == "json_file"] if jobs else []
    if jobs == ["self_test"]:
        meaningless = [name for name in meaningless if name != "json_file"]
    if meaningless:
        raise click.UsageError(f"{flag(meaningless[0])} means nothing with {flag(jobs[0])}")


def _accept(root: Path) -> int:
    from harness.gate.counters import AGREED, accept, count
    from harness.gate.source import Builder, tree_of

    accept(root, count(Builder(root), tree_of(root, str(root))))
    click.echo(f"wrote {AGREED}; commit it together with what changed the counts", err=True)
    return 0


def _counters(root: Path) -> int:
    from harness.gate.announce import counter_commands
    from harness.gate.counters import agreed, compare, count
    from harness.gate.source import Builder, tree_of

    agreement = agreed(root)  # first: what is wrong with it needs no build
    counters = count(Builder(root), tree_of(root, str(root)))
    differences = compare(agreement, counters)
    for difference in differences:
        click.echo(str(difference))
    if os.environ.get("GITHUB_ACTIONS"):
        for line in counter_commands(differences):
            click.echo(line)
    verdict = "FAIL" if differences else "PASS"
    total = sum(len(counts) for counts in counters.values())
    click.echo(f"{verdict}: {counted(total, 'exact counter')}, {counted(len(differences), 'difference')}", err=True)
    return 3 if differences else 0


def _self_test(root: Path, options: dict[str, Any]) -> int:
    from harness.commands.outputs import open_outputs
    from harness.gate.self_test import FULL, SHORT, run_self_test

    open_outputs(options["json_file"])
    with _talk("self-test") as talk:
        result = run_self_test(root, SHORT if options["short"] else FULL, talk.say)
    _show_self_test(result, to_stderr=str(options["json_file"]) == "-")
    if options["json_file"] is not None:
        _write(options["json_file"], result.to_json())
    return result.outcome.exit_code


def _gate(root: Path, options: dict[str, Any]) -> int:
    from harness.bench.cache_line import cache_line_ns
    from harness.commands.outputs import open_outputs
    from harness.environment import environment
    from harness.gate.announce import summary, workflow_commands, write_step_summary
    from harness.gate.history import append, trend
    from harness.gate.record import gate_record
    from harness.gate.run import run_gate

    started, began, load = datetime.now(UTC), time.monotonic(), os.getloadavg()[0]
    history = options["history"] or root / HISTORY
    earlier = _earlier(history)
    open_outputs(options["json_file"], _made_for(history), report=options["report"])
    cache_line = {"before": cache_line_ns()}
    with _talk("gate") as talk:
        run = run_gate(root, options["reference"], talk.say)
    cache_line["after"] = cache_line_ns()
    code = run.exit_code(options["strict"])
    headline = _headline(run, code)
    talk_to_stdout = options["json_file"] is None or str(options["json_file"]) != "-"
    _show(run, to_stderr=not talk_to_stdout)
    click.echo(f"a cache line, core to core: {before_and_after(cache_line)}", err=not talk_to_stdout)
    duration = time.monotonic() - began
    around = {**environment(), "load_before": load, "cache_line_ns": cache_line}
    line = {
        "started": started.isoformat(timespec="seconds"),
        "candidate": run.candidate,
        "reference": run.reference,
        "exit": code,
        "environment": around,
        "figures": run.figures(),
    }
    append(history, line)
    record = gate_record(
        run,
        started=str(line["started"]),
        duration=duration,
        environment=around,
        command=shlex.join(["channel-harness", *sys.argv[1:]]),
        trend=trend([*earlier, line], line),
    )
    if options["json_file"] is not None:
        _write(options["json_file"], record.to_json())
    if options["report"] is not None:
        from reports import write_report

        click.echo(f"report: {write_report([record], options['report'])}", err=True)
    if os.environ.get("GITHUB_ACTIONS"):
        for text in workflow_commands(run):
            click.echo(text, err=not talk_to_stdout)
    write_step_summary(summary(run, headline))
    click.echo(headline, err=not talk_to_stdout)
    return code


def _earlier(history: Path) -> list[dict[str, Any]]:
    """The runs before this one; read first, lest a run of minutes ends in a complaint about its history."""
    from harness.gate.history import load
    from harness.gate.source import GateError

    try:
        return load(history, lambda what: click.echo(what, err=True))
    except ValueError as error:
        raise GateError(f"{error}; move it away, or name another with --history") from error


def _made_for(history: Path) -> Path:
    """The history, in a folder that is there."""
    try:
        history.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"cannot write the history {history}: {error.strerror}") from error
    return history


def _headline(run: GateRun, code: int) -> str:
    from harness.gate.statistics import Answer

    regressed = [j for j in run.judgements if j.answer is Answer.REGRESSED]
    unclear = [j.metric for j in run.judgements if j.answer is Answer.INCONCLUSIVE]
    warned = [f"{j.metric} {j.estimate}" for j in run.judgements if j.answer is Answer.WARNING]
    tail = f"; warning: {', '.join(warned)}" if warned else ""
    if run.differences:
        return f"FAIL: {counted(len(run.differences), 'exact counter')} changed: {run.differences[0]}"
    if regressed:
        return f"FAIL: slower than {run.standard}: " + ", ".join(f"{j.metric} {j.estimate}" for j in regressed)
    if unclear:
        word = "INCONCLUSIVE" if code else "INCONCLUSIVE (a warning without --strict)"
        return f"{word}: too noisy to judge {', '.join(unclear)}{tail}"
    return f"PASS: not slower than {run.standard}{tail}"


def _show(run: GateRun, to_stderr: bool) -> None:
    from harness.gate.announce import table

    for metric, answer, change, noise in table(run):
        click.echo(f"{metric:16} {answer:12} {change:28} same against same {noise}", err=to_stderr)
    if run.floors:
        click.echo(run.demanded, err=to_stderr)
    for note in run.notes:
        click.echo(note, err=to_stderr)


def _show_self_test(result: SelfTest, to_stderr: bool) -> None:
    for effect in result.effects:
        click.echo(str(effect), err=to_stderr)
    click.echo(f"decisions are drawn from {result.rounds} rounds of each path and delay; they overlap", err=to_stderr)
    click.echo(f"{result.outcome.value.upper()}: {result.reason}", err=to_stderr)


@contextmanager
def _talk(label: str) -> Iterator[Talk]:
    """Progress of one piece of work."""
    from harness.commands.talk import Talk

    with Talk(1) as talk:
        talk.begin(label)
        yield talk


def _write(path: Path, data: dict[str, Any]) -> None:
    text = json.dumps(data, indent=1) + "\n"
    if str(path) == "-":
        click.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")
