"""Calls, what was observed of them, and whether a sequential specification explains it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from harness.checks.alarm import cut_after
from harness.checks.specifications import Operation, Specification
from harness.checks.specifications.operation import OutOfTime
from harness.checks.wgl import Search, search

__all__ = [
    "Call",
    "Counterexample",
    "Observed",
    "ParallelError",
    "ParallelProgram",
    "Raised",
    "is_linearizable",
    "refuses_something",
]


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
        worker: by whom; -1: the prefix, which worker 0 makes. call: what. result: of it.
        invoked, returned: of one clock: ticks of a counter on threads, ns of CLOCK_MONOTONIC on processes.
    """

    worker: int
    call: Call
    result: Any
    invoked: int
    returned: int

    def operation(self) -> Operation:
        """As a specification sees it."""
        return self.call.operation(self.result, max(0, self.worker))

    @property
    def exception(self) -> Exception | None:
        """What it raised, if it is known here."""
        return self.result.exception if isinstance(self.result, Raised) else None

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


JUDGING_S = 30.0
"""A history is judged in milliseconds; one that is not by then has too many orders, or a specification that loops."""


def is_linearizable(specification: Specification, history: Sequence[Observed]) -> bool:
    """Does some order of the calls explain the history? Decided exactly, by the search of ``harness.checks.wgl``.

    Raises:
        ParallelError: it was not decided within `JUDGING_S`; or an order explains it to a specification that does not
            look at what was raised in it.
    """
    operations = [observed.operation() for observed in history]
    intervals = [(seen.invoked, seen.returned) for seen in history]
    found: Search | None = None
    try:
        with cut_after(JUDGING_S):
            found = search(specification, operations, intervals, give_up=time.monotonic() + JUDGING_S)
            if found.linearizable:
                _check_looks(specification, history, operations, found.order)
    except OutOfTime:
        found = None
    if found is None or found.linearizable is None:
        raise ParallelError(
            f"whether an order of {len(history)} calls gives their results was not decided within {JUDGING_S:g} s and "
            "1 GB; draw fewer (workers, most_prefix, most_calls), if the specification does not loop"
        )
    return found.linearizable


class _AnswerOfNobody:
    """What no object under test answers."""

    def __repr__(self) -> str:
        return "an answer of nobody"


class _ErrorOfNobodyError(Exception):
    """What no object under test raises."""


def refuses_something(specification: Specification, history: Sequence[Observed]) -> bool:
    """Is there an answer that the specification would not have taken, in a state that these calls lead to?

    Asked for in turn: the answers of all calls in each state, an answer of nobody, and an exception of nobody. One that
    refuses none of them says nothing of the object, whatever that does. A step that fails on such a question has not
    taken it.
    """
    try:
        with cut_after(JUDGING_S):
            state: Any = specification.init()
            for at in (None, *history):
                after = state if at is None else specification.step(state, at.operation())
                state = state if after is None else after  # of calls that overlap, the order is a guess
                for seen in history:
                    for result in (
                        seen.result,
                        _AnswerOfNobody(),
                        Raised("ErrorOfNobody", _ErrorOfNobodyError("asked by check_parallel")),
                    ):
                        if specification.step(state, seen.call.operation(result, max(0, seen.worker))) is None:
                            return True
    except (Exception, OutOfTime):
        return True
    return False


class _Watched(str):
    """The name of an exception; notes whether somebody looks at it."""

    looked = False

    def __getattribute__(self, name: str) -> Any:
        if name not in ("looked", "__class__"):
            self.looked = True
        return super().__getattribute__(name)


def _noting(name: str) -> Callable[..., Any]:
    def method(self: _Watched, *arguments: Any) -> Any:
        self.looked = True
        return getattr(str, name)(self, *arguments)

    return method


# operators pass by __getattribute__; the truth is __len__
_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__")
_PARTS = ("__len__", "__contains__", "__getitem__", "__iter__")
_TEXTS = ("__str__", "__repr__", "__format__", "__add__")
for _name in (*_COMPARISONS, *_PARTS, *_TEXTS):
    setattr(_Watched, _name, _noting(_name))


def _check_looks(
    specification: Specification, history: Sequence[Observed], operations: Sequence[Operation], order: Sequence[int]
) -> None:
    """A specification that takes a call for what it would have been without its exception would hide any of them.

    Raises:
        ParallelError: it does.
    """
    if not any(operation.error for operation in operations):
        return
    state: Any = specification.init()
    for index in order:
        error = _Watched(operations[index].error)
        state = specification.step(state, replace(operations[index], error=error))
        if str.__len__(error) and not error.looked:
            seen = history[index]
            raise ParallelError(
                f"{seen.call} {seen.answer}, and step took that without a look at operation.error; let it return None "
                "for what may not be raised"
            ) from seen.exception
