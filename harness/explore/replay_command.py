"""``replay``: one execution of the explorer again, access by access."""

from __future__ import annotations

import re

import click

__all__ = ["command"]

_WORKERS = "ABCDEFGH"


class _Kill(click.ParamType[tuple[int, int]]):
    """``WORKER@STEP``; workers are letters, as in schedules."""

    name = "WORKER@STEP"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        matched = re.fullmatch(rf"([{_WORKERS}])@([0-9]+)", str(value))
        if matched is None:
            self.fail(f"{value!r} is no kill; give the worker's letter and its step, as A@12", param, ctx)
        step = int(matched[2])
        if step >= 2**31:
            self.fail(f"{value!r} is beyond every program; a step is below {2**31}", param, ctx)
        return _WORKERS.index(matched[1]), step


@click.command("replay")
@click.argument("program")
@click.argument("schedule")
@click.option("--model", type=click.Choice(["rc11", "sc"]), default="rc11", show_default=True, help="Memory model.")
@click.option("--writers", type=int, metavar="N", help="Of a scenario.")
@click.option("--readers", type=int, metavar="N", help="Of a scenario.")
@click.option("--messages", type=int, metavar="N", help="Of a scenario, all writers together.")
@click.option("--mutant", metavar="NAME", help="The planted bug with which the schedule was found.")
@click.option("--kill", "kills", type=_Kill(), multiple=True, help="The kill with which the schedule was found.")
@click.option(
    "--alone", type=click.Choice(list(_WORKERS)), help="The only worker that goes on where the schedule ends."
)
def command(
    program: str,
    schedule: str,
    model: str,
    writers: int | None,
    readers: int | None,
    messages: int | None,
    mutant: str | None,
    kills: tuple[tuple[int, int], ...],
    alone: str | None,
) -> int:
    """Show the execution that SCHEDULE is of PROGRAM, as lanes of workers; exit code 1 if it fails, else 0.

    PROGRAM is as for explore, with the same options; "again:" at its end is the whole command.
    """
    from harness.explore import EVERY, ExploreError
    from harness.explore.interleaving import trace
    from harness.explore.programs import named_program
    from harness.explore.trace import lanes, worker_name
    from harness.mutants import MutantError, parse
    from harness.program import ProgramError
    from harness.verdict import Outcome

    try:
        planted = None if mutant is None else parse(mutant)
        name, every = ("", EVERY) if planted is None else (planted.name, planted.every or EVERY)
        chosen = named_program(program, writers, readers, messages)
        steps, failure = trace(
            chosen,
            schedule,
            model=model,  # type: ignore[arg-type]
            mutant=name,
            every=every,
            kills=kills,
            alone=None if alone is None else _WORKERS.index(alone),
        )
    except (ExploreError, ProgramError, MutantError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(lanes(steps))
    if failure is None:
        click.echo("PASS: nothing is wrong in this execution; of others it says nothing")
    else:
        by = f" (worker {worker_name(failure.worker)})" if failure.worker >= 0 else ""
        click.echo(f"FAIL: {failure.fault}: {failure.what}{by}")
    return Outcome.PASS.exit_code if failure is None else Outcome.FAIL.exit_code
