"""Histories in files: which format a name stands for, and how it is opened."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness.exchange.calls import Recording
from harness.exchange.convert import events_of, history_of
from harness.exchange.edn import read_edn, read_jepsen_log
from harness.exchange.jsonl import read_json_lines
from harness.history import History, HistoryError

__all__ = ["load_history", "load_recording", "save_history"]

_READERS: dict[str, Callable[[str, IO[str]], Recording]] = {
    ".jsonl": read_json_lines,
    ".json": read_json_lines,
    ".ndjson": read_json_lines,
    ".edn": read_edn,
    ".log": read_jepsen_log,
    ".txt": read_jepsen_log,
}
_GZIP = b"\x1f\x8b"
STANDARD_INPUT = "-"


def save_history(history: History, path: Path | str) -> None:
    """Write ``.npz``, or JSON Lines for any other suffix; both also gzipped (``.gz``)."""
    path = Path(path)
    packed = path.suffix == ".gz"
    inner = path.with_suffix("") if packed else path
    if inner.suffix == ".npz":
        if not packed:
            history.save(path)
            return
        with tempfile.TemporaryDirectory() as folder:
            history.save(Path(folder) / "history.npz")
            with (Path(folder) / "history.npz").open("rb") as source, gzip.open(path, "wb") as target:
                shutil.copyfileobj(source, target)
        return
    with gzip.open(path, "wt", encoding="utf-8") if packed else path.open("w", encoding="utf-8") as stream:
        for event in events_of(history):
            stream.write(json.dumps(event) + "\n")


def load_history(path: Path | str) -> History:
    """The queue operations of a file; ``-`` is standard input (JSON Lines).

    Raises:
        HistoryError: the file was not understood; the message names it and the line.
    """
    if _inner(path).suffix == ".npz":
        return _load_npz(path)
    return history_of(load_recording(path))


def load_recording(path: Path | str) -> Recording:
    """The calls of a file, of whatever system.

    Raises:
        HistoryError: as `load_history`.
    """
    name = "<stdin>" if str(path) == STANDARD_INPUT else str(path)
    if _inner(path).suffix == ".npz":
        text = "".join(json.dumps(event) + "\n" for event in events_of(_load_npz(path)))
        return read_json_lines(name, io.StringIO(text))
    reader = read_json_lines if name == "<stdin>" else _READERS.get(_inner(path).suffix)
    if reader is None:
        known = ", ".join([".npz", *_READERS])
        raise HistoryError(f"{name}: unknown kind of file {_inner(path).suffix!r}; known: {known}, each also with .gz")
    try:
        with _text(path) as stream:
            return reader(name, stream)
    except (OSError, EOFError) as error:
        raise HistoryError(f"{name}: cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise HistoryError(f"{name}: not UTF-8 text: {error.reason}") from error


def _inner(path: Path | str) -> Path:
    path = Path(path)
    return path.with_suffix("") if path.suffix == ".gz" else path


@contextmanager
def _text(path: Path | str) -> Any:
    """A text stream of a file or of standard input, unpacked if it begins as gzip does."""
    if str(path) == STANDARD_INPUT:
        with Path("/dev/stdin").open("rb") as raw:
            packed = raw.peek(2)[:2] == _GZIP
            yield io.TextIOWrapper(gzip.GzipFile(fileobj=raw) if packed else raw, encoding="utf-8")
        return
    if Path(path).suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            yield stream
        return
    with Path(path).open(encoding="utf-8") as stream:
        yield stream


def _load_npz(path: Path | str) -> History:
    if Path(path).suffix != ".gz":
        try:
            return History.load(path)
        except OSError as error:
            raise HistoryError(f"{path}: cannot be read: {error}") from error
    try:
        with tempfile.NamedTemporaryFile(suffix=".npz") as unpacked:
            with gzip.open(path, "rb") as source:
                shutil.copyfileobj(source, unpacked)
            unpacked.flush()
            return History.load(unpacked.name)
    except HistoryError as error:
        raise HistoryError(f"{path}: holds no saved history") from error
    except (OSError, EOFError) as error:
        raise HistoryError(f"{path}: cannot be read: {error}") from error
