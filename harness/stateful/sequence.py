"""A sequence of calls on one channel, as plain data: what the sequential machine did, and what is left of it.

Calls name handles by their place among those that are open, so a sequence from which calls were left out is still one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["NO_TIMEOUT", "CallSequence", "SequenceError", "Start", "Step"]

NO_TIMEOUT = "no time-out"


class SequenceError(ValueError):
    """This is no sequence of calls; the message says why and what would be right."""


@dataclass(frozen=True)
class Start:
    """The channel at the beginning, with one handle open.

    Attributes:
        capacity: bytes of the ring, before rounding. in_segment: in a named segment? Else in a buffer.
        limited: has the handle a retry limit? spare: bytes by which the buffer is larger than need be.
    """

    capacity: int = 64
    in_segment: bool = False
    limited: bool = False
    spare: int = 0


@dataclass(frozen=True)
class Step:
    """One call: the name of a method of `Session`, and its arguments."""

    name: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={content!r}' for name, content in self.arguments.items())})"


@dataclass(frozen=True)
class CallSequence:
    """What one thread calls, one call after another."""

    start: Start
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "sequence": 1,
            "start": asdict(self.start),
            "steps": [[step.name, dict(step.arguments)] for step in self.steps],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CallSequence:
        """Inverse of `to_json`.

        Raises:
            SequenceError: another version, or malformed.
        """
        if data.get("sequence") != 1:
            raise SequenceError(f"sequence version {data.get('sequence')!r}; this program reads version 1")
        try:
            return cls(Start(**data["start"]), tuple(Step(name, dict(given)) for name, given in data["steps"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SequenceError(f"malformed sequence of calls: {error!r}") from error
