"""``doctor``."""

from __future__ import annotations

import click

from harness.cli import EXIT_ENVIRONMENT
from harness.doctor import Level, examine

__all__ = ["command"]


@click.command("doctor")
def command() -> int:
    """Is this machine fit, and if not, why? Exit code 5 if it is not."""
    unfit = 0
    for finding in examine():
        click.echo(f"{finding.level.value:8} {finding.subject:14} {finding.detail}")
        unfit += finding.level is Level.UNFIT
    return EXIT_ENVIRONMENT if unfit else 0
