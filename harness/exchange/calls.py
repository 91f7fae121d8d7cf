"""Calls as objects of Python: what the general search works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.exchange.columns import ABSENT, Vocabulary
from harness.exchange.events import TYPES
from harness.exchange.pairing import CallColumns

__all__ = ["Call", "Recording", "recording_of"]


@dataclass(frozen=True, slots=True)
class Call:
    """One operation.

    Attributes:
        process: who called. f: what. argument: the value of the invocation. result: the value of the completion.
        type: ``"ok"``, ``"fail"`` or ``"info"``; info means pending. error: why it failed, or empty.
        invoked, returned: times; PENDING_RETURN if it never returned.
        line: of the invocation, from 1. fields: everything else that either event carried; the entry id that an
            invocation asks for is ``"target"``, the one that a completion tells ``"id"``.
    """

    process: int | str
    f: str
    argument: Any
    result: Any
    type: str
    invoked: int
    returned: int
    line: int
    error: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        until = "never" if self.type == "info" else str(self.returned)
        return f"line {self.line}: process {self.process} {self.f} {self.told}  [{self.invoked} .. {until}]"

    @property
    def told(self) -> str:
        """With what it was called, and what came of it."""
        asked = "" if self.argument is None else f"{self.argument!r} "
        answer = "?" if self.type == "info" else self.error or self.type
        answer += "" if self.result is None or self.type != "ok" else f" {self.result!r}"
        return f"{asked}-> {answer}"


@dataclass(frozen=True)
class Recording:
    """A history as somebody wrote it down: its calls in order of invocation, and what its header says."""

    name: str
    calls: tuple[Call, ...]
    header: Mapping[str, Any] = field(default_factory=dict)


def recording_of(name: str, pieces: Iterable[CallColumns], words: Vocabulary, header: Mapping[str, Any]) -> Recording:
    """The calls of all pieces; `words` and `header` are read when the pieces are through."""
    calls = [call for piece in pieces for call in _calls(piece, words)]
    calls.sort(key=lambda call: (call.invoked, call.line))
    return Recording(name, tuple(calls), dict(header))


def _calls(piece: CallColumns, words: Vocabulary) -> Iterable[Call]:
    processes, functions, errors = list(words.processes), list(words.functions), list(words.errors)
    numbers = {name: column.tolist() for name, column in piece.numbers.items()}
    plain = (piece.process, piece.f, piece.argument, piece.result, piece.type, piece.invoked, piece.returned)
    columns = (column.tolist() for column in (*plain, piece.line, piece.error))
    for row, (process, f, argument, result, kind, invoked, returned, line, error) in enumerate(
        zip(*columns, strict=True)
    ):
        fields = {name: column[row] for name, column in numbers.items() if column[row] != ABSENT}
        yield Call(
            processes[process],
            functions[f],
            words.values.decode(argument),
            words.values.decode(result),
            TYPES[kind],
            invoked,
            returned,
            line,
            errors[error],
            fields,
        )
