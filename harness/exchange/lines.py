"""The bytes of a file, in pieces of whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from harness.history import HistoryError

__all__ = ["Piece", "Readable", "pieces_of", "single_lines"]

PIECE_BYTES = 4 << 20
LONGEST_LINE = 64 << 20

Piece = tuple[int, bytes]
"""Number of the first line, and the text."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes: ...


def pieces_of(name: str, stream: Readable) -> Iterator[Piece]:
    """Pieces of whole lines; the last line may lack its end.

    Raises:
        HistoryError: a line is longer than LONGEST_LINE.
    """
    line = 1
    rest = b""
    while data := stream.read(PIECE_BYTES):
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
