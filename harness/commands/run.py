"""``run``: the main job."""

from __future__ import annotations

import itertools
import re
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import EXIT_ENVIRONMENT
from harness.commands.outputs import open_outputs
from harness.commands.seconds import Seconds
from harness.words import again, counted, plural

if TYPE_CHECKING:
    from harness.commands.talk import Talk
    from harness.record import RunRecord
    from harness.scenario import Parameters, Scenario
    from harness.stress import StressResult

__all__ = ["command"]

HISTORY = "history.jsonl"
"""Beside the report: the throughput of its earlier runs."""
API_SHARE = 10
"""Through the Python API a run takes this fraction of a scenario's default messages: it is as much slower."""


class _Range(click.ParamType[tuple[int, int]]):
    """``N`` or ``MIN-MAX``."""

    name = "N|MIN-MAX"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        matched = re.fullmatch(r"(\d+)(?:-(\d+))?", str(value))
        if matched is None:
            self.fail(f"{value!r} is no size; give bytes, as 64 or 8-256", param, ctx)
        low = int(matched[1])
        return low, int(matched[2]) if matched[2] else low


@click.command("run")
@click.argument("scenario", nargs=-1)
@click.option(
    "--on",
    type=click.Choice(["threads", "processes", "both", "explored", "all"]),
    default="all",
    show_default=True,
    help="Threads, processes, both of them, the explorer (each scenario in small, every execution), or all three.",
)
@click.option(
    "--mode",
    type=click.Choice(["native", "api", "both"]),
    default="both",
    show_default=True,
    help="Native scripts without the GIL, the public Python API, or both.",
)
@click.option("--writers", type=int, metavar="N", help="Workers that write.  [default: the scenario's]")
@click.option("--readers", type=int, metavar="N", help="Workers that read.  [default: the scenario's]")
@click.option(
    "--messages",
    type=int,
    metavar="N",
    help="Messages, all writers together.  [default: the scenario's; a tenth of it for api]",
)
@click.option("--payload", type=_Range(), metavar="N|MIN-MAX", help="Bytes of a message.  [default: 8-256]")
@click.option("--capacity", type=int, metavar="BYTES", help="Ring bytes of the channel.  [default: 16384]")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Run programs of so many successive seeds per cell, until one fails.",
)
@click.option(
    "--duration",
    type=Seconds(min=0, min_open=True),
    metavar="S",
    help="Run programs with successive seeds for so many seconds per cell.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Programs at a time, of --seeds or --duration.  [default: 1; of an engine: all]",
)
@click.option(
    "--engine",
    default="",
    metavar="ENGINE",
    help="Where they run: here, processes, dask://HOST:PORT.  [default: processes if there are several jobs]",
)
@click.option("--seed", type=int, metavar="N", help="Programs are drawn from it.  [default: 1]")
@click.option(
    "--max-round-trips", type=int, metavar="N", help="Retry limit of a call without a time-out.  [default: none]"
)
@click.option("--mutant", metavar="NAME", help="Put a planted bug in place of the core; '?' lists them.")
@click.option(
    "--history",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the histories (.npz, or JSON Lines); with several cells, one file each.",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write index.html, results.json and junit.xml.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write the results as JSON; '-': standard output.",
)
@click.option("--junitxml", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write JUnit XML.")
def command(scenario: tuple[str, ...], **options: Any) -> int:
    """Run scenarios (default: all four) on threads, on processes and in the explorer, and judge every operation.

    Scenarios: swsr, mwsr, mwmr, skip-vs-read.
    """
    from harness.engine import EngineError, EngineLost
    from harness.executors import ExecutorError

    if options["seeds"] > 1 and options["duration"] is not None:
        raise click.UsageError("give --seeds or --duration, not both")
    if options["mutant"] == "?":
        from harness.mutants import describe

        click.echo(describe())
        return 0
    if options["on"] == "explored":
        _refuse_what_explored_lacks(options)
    scenarios = _scenarios(scenario)
    cells = _cells(scenarios, options, named=bool(scenario))
    explored = scenarios if options["on"] in ("explored", "all") else []
    histories = _history_files(cells, options["history"])
    open_outputs(*histories, options["json_file"], options["junitxml"], report=options["report"])
    try:
        records = _run(cells, explored, options)
    except EngineError as error:
        raise click.UsageError(str(error)) from error
    except (EngineLost, ExecutorError, OSError) as error:
        click.echo(f"channel-harness run: {error}", err=True)
        return EXIT_ENVIRONMENT
    return _finish(records, options)


# of programs on real workers; the explorer takes each scenario in sizes of its own
_OF_WORKERS = {
    "mode": "both",
    "jobs": None,
    "engine": "",
    "writers": None,
    "readers": None,
    "messages": None,
    "payload": None,
    "capacity": None,
    "seeds": 1,
    "duration": None,
    "seed": None,
    "max_round_trips": None,
    "history": None,
}


def _refuse_what_explored_lacks(options: dict[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name, default in _OF_WORKERS.items() if options[name] != default]
    if given:
        raise click.UsageError(
            f"{', '.join(given)}: of real workers, and --on explored has none; "
            "channel-harness explore SCENARIO takes --writers, --readers and --messages"
        )


def _scenarios(names: tuple[str, ...]) -> list[Scenario]:
    from scenarios import SCENARIOS

    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise click.UsageError(f"no scenario {unknown[0]!r}; there are: {', '.join(SCENARIOS)}")
    return [SCENARIOS[name] for name in names or SCENARIOS]


def _cells(
    scenarios: list[Scenario], options: dict[str, Any], *, named: bool
) -> list[tuple[Scenario, Parameters, str, str]]:
    """What to run, with parameters that were checked: nothing starts if anything is out of range."""
    from harness.mutants import MutantError, parse
    from harness.scenario import ScenarioError
    from harness.stress import EXECUTORS, MODES

    if options["mutant"] is not None:
        try:
            parse(options["mutant"])
        except MutantError as error:
            raise click.UsageError(str(error)) from error
    executors = EXECUTORS if options["on"] in ("both", "all") else (options["on"],)
    modes = MODES if options["mode"] == "both" else (options["mode"],)
    low, high = options["payload"] or (None, None)
    cells: list[tuple[Scenario, Parameters, str, str]] = []
    if options["on"] == "explored":
        return cells
    for scenario, executor, mode in itertools.product(scenarios, executors, modes):
        messages = options["messages"]
        if messages is None and mode == "api":
            messages = max(scenario.defaults.messages // API_SHARE, options["writers"] or 1)
        # what a scenario fixes is an error only for a scenario that was asked for by name
        own = set() if named else set(scenario.fixed)
        try:
            parameters = scenario.parameters(
                writers=None if "writers" in own else options["writers"],
                readers=None if "readers" in own else options["readers"],
                messages=messages,
                payload_min=low,
                payload_max=high,
                capacity=options["capacity"],
                seed=options["seed"],
                max_round_trips=options["max_round_trips"],
            )
        except ScenarioError as error:
            raise click.UsageError(str(error)) from error
        cells.append((scenario, parameters, executor, mode))
    return cells


def _run(
    cells: list[tuple[Scenario, Parameters, str, str]], explored: list[Scenario], options: dict[str, Any]
) -> list[RunRecord]:
    from harness.commands.talk import Talk
    from harness.engine import open_engine
    from harness.exchange import save_history
    from harness.explore.cell import BUILT_IN, DRIVERS
    from harness.stress import Cell, convict, stress

    command_line = shlex.join(["channel-harness", *sys.argv[1:]])
    results = []
    self_tests: dict[tuple[str, str], Any] = {}
    # with a planted bug in place of the core, the run is about that bug
    looks = bool(explored) and options["mutant"] is None
    built_in = BUILT_IN if explored else ()
    with (
        open_engine(options["engine"], options["jobs"]) as engine,
        Talk(len(cells) + len(explored) * len(DRIVERS) + len(built_in) + looks) as talk,
    ):
        files = _history_files(cells, options["history"])
        for number, (scenario, parameters, executor, mode) in enumerate(cells):
            cell = Cell(executor, mode, options["mutant"])
            label = f"{scenario.name:12} {executor:9} {mode:6}"
            talk.begin(label)
            if (executor, mode) not in self_tests:
                talk.say("self-test")
                self_tests[executor, mode] = convict(Cell(executor, mode))
            result = stress(
                scenario,
                parameters,
                cell,
                seeds=options["seeds"],
                duration=options["duration"],
                engine=engine,
                self_test=self_tests[executor, mode],
                command=command_line,
                progress=talk.say,
            )
            record = result.record
            talk.end(label, record.outcome, _summary(record))
            results.append(result)
            if files:
                save_history(result.history, files[number])
        records = _with_sample(results) + _explore(explored, options, command_line, talk)
        if looks:
            records.append(_detect(self_tests, command_line, talk))
        return records


def _explore(scenarios: list[Scenario], options: dict[str, Any], command_line: str, talk: Talk) -> list[RunRecord]:
    """Every scenario in small and the built-in programs, every execution, with and without kills."""
    from harness.explore.cell import BUILT_IN, DRIVERS, explored_cell, explored_programs

    records = []

    def explore(label: str, cell: Callable[[], RunRecord]) -> None:
        talk.begin(label)
        record = cell()
        talk.end(label, record.outcome, _explored(record))
        records.append(record)

    given = {"mutant": options["mutant"], "command": command_line}
    for scenario, driver in ((scenario, driver) for scenario in scenarios for driver in DRIVERS):
        explore(f"{scenario.name:12} explored  {driver:10}", partial(explored_cell, scenario, driver, **given))
    for driver, model in BUILT_IN if scenarios else ():
        explore(
            f"{'programs':12} explored  {driver if model == 'rc11' else model:10}",
            partial(explored_programs, driver, model, **given),
        )
    return records


def _detect(self_tests: dict[tuple[str, str], Any], command_line: str, talk: Talk) -> RunRecord:
    from harness.explore.detection import detection_record

    label = f"{'planted bugs':12} explored  {'':10}"
    talk.begin(label)
    record = detection_record(self_tests, command=command_line, progress=talk.say)
    talk.end(label, record.outcome, record.reason)
    return record


def _with_sample(results: list[StressResult]) -> list[RunRecord]:
    """The records; the first that passed has a part of its history to look at."""
    from dataclasses import replace

    from harness.timeline import SAMPLE_CALLS, timeline_of
    from harness.verdict import Outcome

    records = [result.record for result in results]
    for number, result in enumerate(results):
        if result.record.outcome is Outcome.PASS:
            records[number] = replace(result.record, sample=timeline_of(result.history, most=SAMPLE_CALLS))
            break
    return records


def _explored(record: RunRecord) -> str:
    executions, histories = record.details["executions"], record.details["distinct"]
    counts = f"{executions:>9,} {plural('execution', executions)}, {counted(histories, 'distinct history')}"
    return f"{counts}; {record.reason}"


def _summary(record: RunRecord) -> str:
    metrics = record.metrics
    if metrics is None or not metrics.seconds:
        return record.reason
    rate = metrics.operations / metrics.seconds
    return f"{metrics.operations:>9,} {plural('operation', metrics.operations)}, {rate / 1e6:5.2f} M/s; {record.reason}"


def _history_files(cells: list[tuple[Scenario, Parameters, str, str]], path: Path | None) -> list[Path]:
    """Where each cell's history goes: to the file that was named, or with several cells to one each, beside it."""
    if path is None:
        return []
    if len(cells) == 1:
        return [path]
    return [
        path.with_name(f"{path.stem}-{scenario.name}-{executor}-{mode}{path.suffix}")
        for scenario, _, executor, mode in cells
    ]


def _beside_earlier(records: list[RunRecord], history: Path) -> list[RunRecord]:
    """The records with their change against earlier runs of the same report, which remembers this one too."""
    from harness.earlier import remember, with_changes

    try:
        changed = with_changes(records, history, lambda what: click.echo(what, err=True))
    except ValueError as error:
        click.echo(f"no change is shown, and this run is not remembered: {error}", err=True)
        return records
    remember(records, history)
    return changed


def _finish(records: list[RunRecord], options: dict[str, Any]) -> int:
    """Write what was asked for, say what it comes to, and return the exit code."""
    from harness.verdict import Outcome
    from reports import announce, overall, write_json, write_junit, write_report
    from reports.results import label

    if options["report"] is not None:
        records = _beside_earlier(records, options["report"] / HISTORY)
        page = write_report(records, options["report"])
        click.echo(f"report: {page}", err=True)
    if options["json_file"] is not None:
        write_json(records, options["json_file"])
    if options["junitxml"] is not None:
        write_junit(records, options["junitxml"])
    announce(records)
    outcome, reason = overall(records)
    operations = sum(record.metrics.operations for record in records if record.metrics)
    assertions = sum(sum(record.assertions.values()) for record in records)
    talk_to_stdout = options["json_file"] is None or str(options["json_file"]) != "-"
    done = [counted(len(records), "run"), counted(operations, "operation"), counted(assertions, "assertion")]
    click.echo(f"{outcome.value.upper()}: {', '.join(done)}; {reason}", err=not talk_to_stdout)
    for record in records if outcome is not Outcome.PASS else ():
        for failure in record.failures:
            click.echo(f"\n{label(record)}: {failure.property} [{failure.rule}]", err=True)
            click.echo(f"  {failure.sentence}", err=True)
            # an interleaving is long: the command shows it, and so does the report
            for line in failure.operations if failure.interleaving is None else ():
                click.echo(f"    {line}", err=True)
            click.echo(f"  again: {failure.command}   ({again(failure.reproduced)})", err=True)
    return outcome.exit_code
