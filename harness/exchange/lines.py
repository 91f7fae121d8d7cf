"""The bytes of a file, in pieces of whole lines."""

from __future__ import annotations

import fcntl
import os
import select
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, Protocol

from harness.history import HistoryError

__all__ = ["Packable", "Piece", "Readable", "arriving_pieces", "pieces_of", "single_lines"]

PIECE_BYTES = 4 << 20
_PIPE_BYTES = 1 << 20
LONGEST_LINE = 64 << 20

Piece = tuple[int, bytes]
"""Number of the first line, and the text."""
Packable = tuple[Any, IO[bytes]]
"""A file as it reads unpacked, and itself; both are one where it is not packed."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes: ...


def pieces_of(name: str, stream: Readable) -> Iterator[Piece]:
    """Pieces of whole lines; the last line may lack its end.

    Raises:
        HistoryError: a line is longer than LONGEST_LINE.
    """
    return (piece for piece in _whole_lines(name, iter(lambda: stream.read(PIECE_BYTES), b"")) if piece is not None)


def arriving_pieces(name: str, file: Packable, idle: float) -> Iterator[Piece | None]:
    """Pieces as they arrive, however small; None where nothing arrived for `idle` seconds.

    Raises:
        HistoryError: as `pieces_of`.
    """
    return _whole_lines(name, _arriving(file, idle))


def _arriving(file: Packable, idle: float) -> Iterator[bytes | None]:
    stream, raw = file
    descriptor = raw.fileno()
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        yield from iter(lambda: stream.read(PIECE_BYTES), b"")
        return
    with suppress(OSError):  # no pipe, or more than this user may have: then pieces are smaller
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    arrival = select.poll()
    arrival.register(descriptor, select.POLLIN)
    # what its kind was told by is in the buffer already; one that is packed has a buffer of its own
    data = stream.read1(PIECE_BYTES)
    while data:
        yield data
        while stream is raw and not arrival.poll(idle * 1000):
            yield None
        data = stream.read1(PIECE_BYTES)


def _whole_lines(name: str, chunks: Iterator[bytes | None]) -> Iterator[Piece | None]:
    line = 1
    rest = b""
    for data in chunks:
        if data is None:
            yield None
            continue
        end = data.rfind(b"\n") + 1
        if not end:
            rest += data
            if len(rest) > LONGEST_LINE:
                raise HistoryError(f"{name}:{line}: a line of more than {LONGEST_LINE >> 20} MiB; is this a history?")
            continue
        text, rest = rest + data[:end], data[end:]
        yield line, text
        line += text.count(b"\n")
    if rest:
        yield line, rest


def single_lines(name: str, pieces: Iterator[Piece]) -> Iterator[tuple[int, str, bool]]:
    """Line number, text, and whether the line has its end.

    Raises:
        HistoryError: a line is not UTF-8.
    """
    for first, text in pieces:
        last = first + text.count(b"\n")
        for line, content in enumerate(text.split(b"\n"), first):
            try:
                yield line, content.decode("utf-8").removeprefix("\ufeff").rstrip("\r"), line < last
            except UnicodeDecodeError as error:
                raise HistoryError(f"{name}:{line}: not UTF-8 text: {error.reason}") from error
