"""Saved histories (``.npz``) from anywhere: read, and every row looked at before any check relies on it."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from pathlib import Path

import numpy as np

from harness.exchange.to_history import IMPOSSIBLE, check_distinct
from harness.history import PENDING_RETURN, History, HistoryError
from harness.operation import NO_TIMEOUT, Kind, Status
from harness.words import cause_of

__all__ = ["load_npz"]


def load_npz(path: Path | str) -> History:
    """A saved history, also gzipped.

    Raises:
        HistoryError: the file is none, or a row of it is nothing that a channel could have done.
    """
    try:
        if Path(path).suffix != ".gz":
            history = History.load(path)
        else:
            with tempfile.NamedTemporaryFile(suffix=".npz") as unpacked:
                with gzip.open(path, "rb") as source:
                    shutil.copyfileobj(source, unpacked)
                unpacked.flush()
                history = History.load(unpacked.name)
    except HistoryError as error:
        problem = str(error).partition(".npz: ")[2] or str(error)  # a packed one has another name while it is read
        raise HistoryError(f"{path}: holds no saved history: {problem}") from error
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise HistoryError(f"{path}: cannot be read: {cause_of(error)}") from error
    _check(str(path), history)
    return history


def _check(name: str, history: History) -> None:
    rows = history.operations
    kind, status = np.minimum(rows["kind"], len(Kind) - 1), np.minimum(rows["status"], len(Status) - 1)
    pending, timed_out = status == Status.PENDING, status == Status.TIMEOUT
    rules = (
        (rows["kind"] >= len(Kind), "kind {kind}; expected 0 .. " + str(len(Kind) - 1)),
        (rows["status"] >= len(Status), "status {status}; expected 0 .. " + str(len(Status) - 1)),
        (rows["invoked"] < 0, "invoked {invoked}; expected a time from 0"),
        (~pending & (rows["returned"] < rows["invoked"]), "returned {returned}, before it was invoked at {invoked}"),
        (~pending & (rows["returned"] == PENDING_RETURN), "never returned, but has a status other than PENDING"),
        (IMPOSSIBLE[kind, status], "a {name} fails with {answer}, which it cannot"),
        (timed_out & (rows["timeout"] == NO_TIMEOUT), "timed out, but tells no timeout"),
    )
    for wrong, complaint in rules:
        if wrong.any():
            at = int(np.argmax(wrong))
            content = {field: int(rows[field][at]) for field in ("kind", "status", "invoked", "returned")}
            words = {"name": Kind(int(kind[at])).name.lower(), "answer": Status(int(status[at])).name.lower()}
            raise HistoryError(f"{name}: operation {at}: {complaint.format(**content, **words)}")
    check_distinct(rows, lambda row: f"{name}: operation {row}")
