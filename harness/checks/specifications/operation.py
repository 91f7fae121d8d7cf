"""What a specification is, and what it is asked: the form that a user writes, too."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Operation", "Specification", "SpecificationError", "StepError"]


class SpecificationError(ValueError):
    """There is no such specification, or it does not know an operation; the message says what there is."""


class StepError(SpecificationError):
    """A specification does not know an operation, or broke the rules of its form; `operation` is its index."""

    def __init__(self, problem: str, operation: int) -> None:
        super().__init__(problem)
        self.operation = operation


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
    fields: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)


class Specification(Protocol):
    """A sequential specification: a pure class without state of its own.

    The constructor takes the capacity that the history's header states, or None. Optional: ``partition(operation)``
    gives a hashable key; operations of different keys are judged apart, which is sound only if they never affect each
    other. ``hash(state)`` gives what tells two states apart, where the state itself is not hashable.
    """

    def __init__(self, capacity: int | None = None) -> None: ...

    def init(self) -> Hashable:
        """The state before the first operation."""

    def step(self, state: Any, operation: Operation) -> Any | None:
        """The state after the operation, or None if it cannot happen in this state with this result."""
