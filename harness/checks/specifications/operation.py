"""What a specification is, and what it is asked: the form that a user writes, too."""

from __future__ import annotations

import traceback
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.termination import PartTerminated, Terminated

__all__ = [
    "NOT_ITS_OWN",
    "Operation",
    "OutOfTime",
    "Specification",
    "SpecificationError",
    "StepError",
    "asking",
    "exact",
    "what_it_raised",
]


class SpecificationError(ValueError):
    """There is no such specification, or it does not know an operation; the message says what there is."""


class StepError(SpecificationError):
    """A specification does not know an operation, or broke the rules of its form; `operation` is its index."""

    def __init__(self, problem: str, operation: int) -> None:
        super().__init__(problem)
        self.operation = operation


class OutOfTime(BaseException):
    """The budget ran out inside a specification; no `Exception`, so that it does not take it for one of its own."""


NOT_ITS_OWN = (KeyboardInterrupt, OutOfTime, PartTerminated, Terminated)
"""What passes through a specification, and is none of its errors."""


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Around code that a user wrote: whatever it raises becomes one sentence, even where it wants to exit.

    Raises:
        SpecificationError: it raised.
    """
    try:
        yield
    except (SpecificationError, *NOT_ITS_OWN):
        raise
    except BaseException as error:
        raise SpecificationError(what_it_raised(what, error)) from error


def what_it_raised(what: str, error: BaseException) -> str:
    """One sentence; of a ValueError its own, for so a specification says what it does not know."""
    if isinstance(error, ValueError):
        return str(error)
    # what formats it copes with an exception that cannot be told
    return f"{what} failed: {traceback.format_exception_only(error)[-1].strip()}"


def exact(value: Any) -> Any:
    """What tells a value of JSON from all others: 1, 1.0 and true are equal to Python."""
    kind = type(value)
    return value if kind is int or kind is str or value is None else repr(value).encode()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as a specification sees it.

    Attributes:
        f: its name. argument: what it was given. result: what it answered; None while `pending`.
        error: why it certainly had no effect (``"empty"``, ``"full"``, ``"mismatch"``, ...), or empty.
        pending: it never returned: a specification accepts any result.
        process: who called. fields: what else was recorded, e.g. ``cost``.
    """

    f: str
    argument: Any = None
    result: Any = None
    error: str = ""
    pending: bool = False
    process: int | str = 0
    fields: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False)


class Specification(Protocol):
    """A sequential specification: a pure class without state of its own.

    The constructor takes the capacity that the history's header states, or None. Optional: ``partition(operation)``
    gives a hashable key; operations of different keys are judged apart, which is sound only if they never affect each
    other. ``refuse(operation)`` says why an operation is none of this specification, or "".
    ``observes(operation)`` says that it leaves every state as it is, whatever it finds: that spares a search much.
    ``forced(operations, intervals)`` gives pairs of indices, of which the second never has its effect unless the first
    had its own before (the same index twice: it never has one): what the search would find out late, if at all; it is
    asked only where that takes many steps, and not of a class that inherits it from one of this program.
    ``claims(operation)`` says that there are states in which it cannot happen as it did: that it was checked. Without
    it that holds of what answers, or has failed, and of what was refused on the way.
    ``hash(state)`` gives what tells two states apart, where the state itself is not hashable.
    """

    def __init__(self, capacity: int | None = None) -> None: ...

    def init(self) -> Hashable:
        """The state before the first operation."""

    def step(self, state: Any, operation: Operation) -> Any | None:
        """The state after the operation, or None if it cannot happen in this state with this result."""
