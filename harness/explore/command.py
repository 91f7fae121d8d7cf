"""``explore``: every execution of a small program, or random ones of a larger."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import get_args

import click

from harness.commands.outputs import open_outputs
from harness.commands.seconds import Seconds
from harness.explore.exploration import Driver

__all__ = ["command"]


@click.command("explore")
@click.argument("program")
@click.option(
    "--driver", type=click.Choice(get_args(Driver)), default="exhaustive", show_default=True, help="How to explore."
)
@click.option("--model", type=click.Choice(["rc11", "sc"]), default="rc11", show_default=True, help="Memory model.")
@click.option(
    "--executions", type=click.IntRange(1, 2**63 - 1), metavar="N", help="Stop after so many.  [default: never]"
)
@click.option("--seconds", type=Seconds(min=0.0), default=60.0, show_default=True, metavar="S", help="Stop then.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes that share the work.  [default: 1; of an engine: all]",
)
@click.option(
    "--engine",
    default="",
    metavar="ENGINE",
    help="Where they are: here, processes, dask://HOST:PORT.  [default: processes if there are several jobs]",
)
@click.option(
    "--crashes",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    metavar="N",
    help="Of the crash driver, in one execution, at most.",
)
@click.option("--writers", type=int, metavar="N", help="Of a scenario.  [default: its small form's]")
@click.option("--readers", type=int, metavar="N", help="Of a scenario.  [default: its small form's]")
@click.option(
    "--messages", type=int, metavar="N", help="Of a scenario, all writers together.  [default: its small form's]"
)
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of a random driver.")
@click.option("--mutant", metavar="NAME", help="Put a planted bug in place of the core; '?' lists them.")
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write a report.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write the result as JSON; '-': standard output.",
)
def command(
    program: str,
    driver: str,
    model: str,
    executions: int | None,
    seconds: float,
    jobs: int | None,
    engine: str,
    crashes: int,
    writers: int | None,
    readers: int | None,
    messages: int | None,
    seed: int,
    mutant: str | None,
    report: Path | None,
    json_file: Path | None,
) -> int:
    """Go through the executions of PROGRAM.

    A scenario in small (swsr, mwsr, mwmr, skip-vs-read), a built-in program ('?' lists them), or a PROGRAM.json.
    """
    from harness.cli import EXIT_ENVIRONMENT
    from harness.commands.talk import Talk
    from harness.engine import EngineError, EngineUnreachable
    from harness.explore import EVERY, ExploreError, examine
    from harness.explore.exploration import INTERNAL
    from harness.explore.programs import named_program
    from harness.explore.record import explored_record, self_test
    from harness.mutants import MutantError, describe, parse
    from harness.program import ProgramError
    from harness.verdict import Outcome
    from reports import write_json, write_report

    if mutant == "?":
        click.echo(describe())
        return 0
    try:
        planted = None if mutant is None else parse(mutant)
        chosen = named_program(program, writers, readers, messages)
        name, every = ("", EVERY) if planted is None else (planted.name, planted.every or EVERY)
        open_outputs(json_file, report=report)
        with Talk(1) as talk:
            talk.begin(f"{program} {driver}")
            seen = examine(
                chosen,
                driver=driver,  # type: ignore[arg-type]
                model=model,  # type: ignore[arg-type]
                executions=executions,
                seconds=seconds,
                jobs=jobs,
                engine=engine,
                crashes=crashes,
                seed=seed,
                mutant=name,
                every=every,
            )
    except (EngineError, ExploreError, ProgramError, MutantError) as error:
        raise click.UsageError(str(error)) from error
    except EngineUnreachable as error:
        click.echo(f"channel-harness explore: {error}", err=True)
        return EXIT_ENVIRONMENT
    line = shlex.join(["channel-harness", *sys.argv[1:]])
    sizes = {"--writers": writers, "--readers": readers, "--messages": messages}
    target = [program, *(f"{option}={size}" for option, size in sizes.items() if size is not None)]
    record = explored_record(chosen, seen, self_test(), target=target, mutant=name, every=every, command=line)
    if report is not None:
        click.echo(f"report: {write_report([record], report)}", err=True)
    if json_file is not None:
        write_json([record], json_file)
    quiet = json_file is not None and str(json_file) == "-"
    internal = seen.verdict.rule == INTERNAL
    outcome = "INTERNAL ERROR" if internal else record.outcome.value.upper()
    found = f"{seen.verdict.rule}: {seen.verdict.reason}"
    click.echo(f"{outcome}: {record.reason if not seen.schedule else found}", err=quiet)
    for failure in record.failures:
        click.echo(f"again: {failure.command}", err=True)
    if record.outcome is Outcome.PASS:
        click.echo(f"  {seen.verdict.reason}", err=quiet)
    if seen.size is not None:
        sampling = ["channel-harness", "explore", *target, "--driver", "pct", "--model", model]
        if mutant is not None:
            sampling.append(f"--mutant={mutant}")
        click.echo(f"sample: {shlex.join(sampling)}", err=True)
    # a nondeterministic structure is no verdict on anything, so it is not the exit code of a failure
    return EXIT_ENVIRONMENT if internal else record.outcome.exit_code
