"""Find out before the work whether its results can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

__all__ = ["open_outputs"]


def open_outputs(*files: Path | None, report: Path | None = None) -> None:
    """Try each file (None and ``-`` need nothing), leaving none that was not there; make the folder of a report.

    Raises:
        click.UsageError: one cannot be written; which, and why.
    """
    try:
        for file in files:
            if file is not None and str(file) != "-":
                is_new = not file.exists()
                file.open("ab").close()
                if is_new:
                    file.unlink()
        if report is not None:
            report.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=report).close()
    except OSError as error:
        raise click.UsageError(f"cannot write the results: {error.filename}: {error.strerror}") from error
