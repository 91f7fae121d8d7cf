"""Calls, what was observed of them, and whether a sequential specification explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.checks.specifications import Operation, Specification
from harness.checks.wgl import search

__all__ = ["Call", "Counterexample", "Observed", "ParallelProgram", "Raised", "is_linearizable"]


@dataclass(frozen=True)
class Call:
    """One call of a method."""

    name: str
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


@dataclass(frozen=True)
class Raised:
    """The result of a call that raised; two are equal if the exceptions are of the same class."""

    kind: str

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
    def size(self) -> int:
        return len(self.prefix) + sum(map(len, self.workers))


@dataclass(frozen=True)
class Observed:
    """A call that was made.

    Attributes:
        worker: by whom; -1: the prefix. call: what. result: of it. invoked, returned: ticks of one clock.
    """

    worker: int
    call: Call
    result: Any
    invoked: int
    returned: int

    def operation(self) -> Operation:
        """As a specification sees it: one argument stands alone, several are a tuple, none is None."""
        arguments = self.call.arguments
        argument = arguments[0] if len(arguments) == 1 else arguments or None
        if isinstance(self.result, Raised):
            return Operation(self.call.name, argument, error=self.result.error, process=self.worker)
        return Operation(self.call.name, argument, self.result, process=self.worker)

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
