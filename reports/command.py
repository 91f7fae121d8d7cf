"""``report``: one page from run records, whoever wrote them."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("report")
@click.argument("record", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write index.html, results.json and junit.xml here.",
)
def command(record: tuple[Path, ...], out: Path) -> int:
    """Make one report from run records and results.json files; exit code as for the runs themselves."""
    from harness.commands.outputs import open_outputs
    from harness.record import RecordError
    from reports import announce, overall, write_report
    from reports.results import load_records

    try:
        records = [loaded for path in record for loaded in load_records(path)]
    except RecordError as error:
        raise click.UsageError(str(error)) from error
    open_outputs(report=out)
    page = write_report(records, out)
    announce(records)
    outcome, reason = overall(records)
    click.echo(f"report: {page}", err=True)
    click.echo(f"{outcome.value.upper()}: {reason}")
    return outcome.exit_code
