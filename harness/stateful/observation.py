"""Calls, what was observed of them, and whether a sequential specification explains it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from harness.checks.specifications import Operation, Specification
from harness.checks.wgl import search

__all__ = ["Call", "Counterexample", "Observed", "ParallelError", "ParallelProgram", "Raised", "is_linearizable"]


class ParallelError(ValueError):
    """What was given cannot be tested; the message says what is wrong, and what would be right."""


@dataclass(frozen=True, repr=False)
class Call:
    """One call of a method; `keywords` are names and values."""

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        given = [*map(repr, self.arguments), *(f"{name}={value!r}" for name, value in self.keywords)]
        return f"{self.name}({', '.join(given)})"

    def __repr__(self) -> str:
        """Without what is empty: it stands in replay lines."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        rest = [f"{name}={value!r}" for name, value in given.items() if name != "name" and value]
        return f"{type(self).__name__}({', '.join([repr(self.name), *rest])})"

    def operation(self, result: Any, worker: int) -> Operation:
        """As a specification sees it: one argument stands alone, several are a tuple, none is None."""
        argument = self.arguments[0] if len(self.arguments) == 1 else self.arguments or None
        fields = dict(self.keywords)
        if isinstance(result, Raised):
            return Operation(self.name, argument, error=result.error, process=worker, fields=fields)
        return Operation(self.name, argument, result, process=worker, fields=fields)


@dataclass(frozen=True)
class Raised:
    """The result of a call that raised; two are equal if the exceptions are of the same class.

    Attributes:
        kind: name of the class. exception: itself, if it is known here.
    """

    kind: str
    exception: Exception | None = field(default=None, compare=False, repr=False)

    @property
    def error(self) -> str:
        """As specifications name it: the class in lower case, so ``queue.Full`` is "full"."""
        return self.kind.lower()

    def __str__(self) -> str:
        return f"raises {self.kind}"


@dataclass(frozen=True)
class ParallelProgram:
    """Calls that are made one after another, and then those of each worker, at the same time."""

    prefix: tuple[Call, ...]
    workers: tuple[tuple[Call, ...], ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        return (*self.prefix, *itertools.chain(*self.workers))

    @property
    def size(self) -> int:
        return len(self.calls)


@dataclass(frozen=True)
class Observed:
    """A call that was made.

    Attributes:
        worker: by whom; -1: the prefix. call: what. result: of it.
        invoked, returned: of one clock: ticks of a counter on threads, ns of CLOCK_MONOTONIC on processes.
    """

    worker: int
    call: Call
    result: Any
    invoked: int
    returned: int

    def operation(self) -> Operation:
        """As a specification sees it."""
        return self.call.operation(self.result, self.worker)

    @property
    def answer(self) -> str:
        return str(self.result) if isinstance(self.result, Raised) else f"-> {self.result!r}"


@dataclass(frozen=True)
class Counterexample:
    """A program that failed, the history in which it did, and how often it failed when it was run again."""

    program: ParallelProgram
    history: tuple[Observed, ...]
    failed: int
    runs: int


def is_linearizable(specification: Specification, history: Sequence[Observed]) -> bool:
    """Does some order of the calls explain the history? Decided exactly, by the search of ``harness.checks.wgl``."""
    operations = [observed.operation() for observed in history]
    return bool(search(specification, operations, [(seen.invoked, seen.returned) for seen in history]).linearizable)
