"""Find out before the work whether its results can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

__all__ = ["open_outputs"]


def open_outputs(*files: Path | None, report: Path | None = None) -> None:
    """Open each file (None and ``-`` need nothing), and make the folder of a report.

    Raises:
        click.UsageError: one cannot be written; which, and why.
    """
    try:
        for file in files:
            if file is not None and str(file) != "-":
                file.open("a", encoding="utf-8").close()
        if report is not None:
            report.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=report).close()
    except OSError as error:
        raise click.UsageError(f"cannot write the results: {error.filename}: {error.strerror}") from error
