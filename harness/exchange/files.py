"""Histories in files: which format a name stands for, and how it is opened."""

from __future__ import annotations

import gzip
import itertools
import json
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from harness.exchange.calls import Recording, recording_of
from harness.exchange.columns import EventColumns, Ints, Vocabulary
from harness.exchange.from_history import events_of
from harness.exchange.jepsen import read_edn, read_jepsen_log
from harness.exchange.jsonl import read_json_lines, read_piece
from harness.exchange.lines import Piece, arriving_pieces, pieces_of
from harness.exchange.memory import CALL_BYTES, ROW_BYTES, Memory, available
from harness.exchange.npz import load_npz
from harness.exchange.pairing import CallColumns, Pairing
from harness.exchange.to_history import QueueRows
from harness.history import History, HistoryError
from harness.words import cause_of

__all__ = [
    "STANDARD_INPUT",
    "Reading",
    "load_history",
    "load_recording",
    "open_reading",
    "open_stream",
    "refuse_nothing",
    "save_history",
]

_Reader = Callable[[str, Iterator[Piece], Vocabulary, dict[str, Any]], Iterator[EventColumns]]
_READERS: dict[str, _Reader] = {
    ".jsonl": read_json_lines,
    ".json": read_json_lines,
    ".ndjson": read_json_lines,
    ".edn": read_edn,
    ".log": read_jepsen_log,
    ".txt": read_jepsen_log,
}
_UNREADABLE = (OSError, EOFError, zlib.error)
_GZIP = b"\x1f\x8b"
_WORTH_SAYING = 64 << 20
"""Bytes of a file from which on its memory is said before it is read."""
STANDARD_INPUT = "-"


class Reading:
    """A history that is being read: once, by one of its methods.

    Attributes:
        name: of the file. header: what it says of itself. lines: of the invocations, parallel to the rows of the
            History, when it has been read; None where a file has no lines.
    """

    def __init__(
        self,
        name: str,
        columns: Iterator[EventColumns],
        words: Vocabulary,
        header: Mapping[str, Any],
        limit: int,
        tell: Callable[[str], None],
        read_so_far: Callable[[], float | None],
    ) -> None:
        self.name = name
        # the first piece brings the header
        self._columns = itertools.chain(itertools.islice(columns, 1), columns)
        first = next(self._columns, None)
        self._columns = itertools.chain([] if first is None else [first], self._columns)
        self._first_events = 0 if first is None else len(first)
        self._words = words
        self.header = header
        self.lines: Ints | None = None
        self._limit = limit
        self._tell = tell
        self._read_so_far = read_so_far

    def history(self) -> History:
        """The operations of a queue.

        Raises:
            HistoryError: something was not understood; the message says where.
        """
        rows = QueueRows(self.name, self._words)
        for calls in self._calls(ROW_BYTES):
            rows.add(calls)
        history = rows.history(self.header)
        self.lines = rows.lines
        return history

    def recording(self) -> Recording:
        """The calls of whatever system.

        Raises:
            HistoryError: as `history`.
        """
        return recording_of(self.name, self._calls(CALL_BYTES), self._words, self.header)

    def _calls(self, each: int) -> Iterator[CallColumns]:
        memory = Memory(self._limit, each)
        part = self._read_so_far()
        if part is not None:
            self._tell(memory.foresee(self.name, int(self._first_events / 2 / part)))
        pairing = Pairing(self.name, self._words)
        count = 0
        for events in self._columns:
            calls = pairing.add(events)
            count += len(calls)
            memory.hold(self.name, int(events.line[-1]) if len(events) else 1, count)
            yield calls
        refuse_nothing(self.name, self._words, self.header)
        yield pairing.finish()


@contextmanager
def open_reading(
    path: Path | str, *, memory: int | None = None, tell: Callable[[str], None] = lambda sentence: None
) -> Iterator[Reading]:
    """Open a file of events, packed or not; ``-`` is standard input (JSON Lines).

    Args:
        memory: bytes that reading and judging may take; None: what the machine has. tell: is told beforehand what a
            large file will take.

    Raises:
        HistoryError: the file was not understood; the message names it and the line.
    """
    name = "<stdin>" if str(path) == STANDARD_INPUT else str(path)
    limit = available() if memory is None else memory
    suffix = _inner(path).suffix
    reader = read_json_lines if name == "<stdin>" else _READERS.get(suffix)
    words, header = Vocabulary(), dict[str, Any]()
    if suffix == ".npz":
        text = b"".join(json.dumps(event).encode() + b"\n" for event in events_of(load_npz(path)))
        yield Reading(
            name, read_json_lines(name, iter([(1, text)]), words, header), words, header, limit, tell, _unknown
        )
        return
    _refuse_folder(name)
    if reader is None:
        known = ", ".join([".npz", *_READERS])
        raise HistoryError(f"{name}: unknown kind of file {suffix!r}; known: {known}, each also with .gz")
    try:
        with _opened(path) as (stream, raw):
            size = 0 if name == "<stdin>" else Path(path).stat().st_size

            def read_so_far() -> float | None:
                return raw.tell() / size if size > _WORTH_SAYING else None

            columns = reader(name, pieces_of(name, stream), words, header)
            yield Reading(name, columns, words, header, limit, tell, read_so_far)
    except _UNREADABLE as error:
        raise HistoryError(f"{name}: cannot be read: {cause_of(error)}") from error


_Arriving = Iterator[EventColumns | None]


@contextmanager
def open_stream(
    path: Path | str, words: Vocabulary, header: dict[str, Any], *, idle: float
) -> Iterator[tuple[str, _Arriving]]:
    """Open JSON Lines, packed or not, as a stream; ``-`` is standard input.

    Args:
        words, header: filled in on the way. idle: seconds without an event after which None stands for one.

    Returns:
        The name for errors, and the events as they arrive.

    Raises:
        HistoryError: as `open_reading`; or it is of another kind.
    """
    name = "<stdin>" if str(path) == STANDARD_INPUT else str(path)
    suffix = _inner(path).suffix
    _refuse_folder(name)
    if name != "<stdin>" and _READERS.get(suffix) is not read_json_lines:
        raise HistoryError(f"{name}: a stream is JSON Lines (.jsonl, also with .gz); judge {suffix!r} without --stream")
    try:
        with _opened(path) as file:
            pieces = arriving_pieces(name, file, idle)
            yield name, (None if piece is None else read_piece(name, *piece, words, header) for piece in pieces)
    except _UNREADABLE as error:
        raise HistoryError(f"{name}: cannot be read: {cause_of(error)}") from error


def _refuse_folder(name: str) -> None:
    if name != "<stdin>" and _is_folder(name):
        raise HistoryError(f"{name}: is a folder; give the files in it")


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # its name is too long, say; who opens it tells
        return False


def refuse_nothing(name: str, words: Vocabulary, header: Mapping[str, Any]) -> None:
    """Of a file that was read to its end: it is no history if it has neither an event nor a header.

    Raises:
        HistoryError: it has none.
    """
    if not words.processes and not header:
        raise HistoryError(f'{name}: holds no event; a history of none has the first line {{"history": 1}}')


def _unknown() -> float | None:
    return None


def load_history(path: Path | str, *, memory: int | None = None) -> History:
    """The queue operations of a file; ``-`` is standard input (JSON Lines).

    Raises:
        HistoryError: the file was not understood; the message names it and the line.
    """
    if _inner(path).suffix == ".npz":
        return load_npz(path)
    with open_reading(path, memory=memory) as reading:
        return reading.history()


def load_recording(path: Path | str, *, memory: int | None = None) -> Recording:
    """The calls of a file, of whatever system.

    Raises:
        HistoryError: as `load_history`.
    """
    with open_reading(path, memory=memory) as reading:
        return reading.recording()


def save_history(history: History, path: Path | str) -> None:
    """Write ``.npz``, or JSON Lines for any other suffix; both also gzipped (``.gz``)."""
    path = Path(path)
    packed = path.suffix == ".gz"
    inner = _inner(path)
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


def _inner(path: Path | str) -> Path:
    path = Path(path)
    return path.with_suffix("") if path.suffix == ".gz" else path


@contextmanager
def _opened(path: Path | str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The bytes of a file or of standard input, unpacked if they begin as gzip does; and the file itself."""
    if str(path) == STANDARD_INPUT:
        yield _unpacked(sys.stdin.buffer), sys.stdin.buffer
        return
    with Path(path).open("rb") as raw:
        if Path(path).suffix == ".gz" and raw.peek(2)[:2] not in (_GZIP, b""):
            raise HistoryError(f"{path}: is no gzip file, although its name says so")
        yield _unpacked(raw), raw


def _unpacked(raw: Any) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if raw.peek(2)[:2] == _GZIP else raw
