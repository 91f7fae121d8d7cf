"""Golden counterexamples: the smallest known input of every bug ever found, kept as JSON and run again in CI.

A golden is a sequence of calls for the sequential machine, or a program (and kills) for the explorer. There is no
schedule in it: a program of this size is explored whole, so that a change of the core that reorders its accesses makes
no golden void.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.explore import EVERY
from harness.mutants import parse
from harness.program import Program
from harness.stateful.explored import Drawn, explored
from harness.stateful.sequence import CallSequence
from harness.stateful.sequential import failure_of
from harness.systems.channel import planted_class
from harness.verdict import Outcome

__all__ = ["Golden", "GoldenError", "goldens"]


class GoldenError(ValueError):
    """This is no golden counterexample; the message says why and what would be right."""


@dataclass(frozen=True)
class Golden:
    """An input on which a bug showed.

    Attributes:
        name: of the file. bug: what was wrong, in words. mutant: plants it again; "": it was in the channel itself.
        input: what to run.
    """

    name: str
    bug: str
    mutant: str
    input: CallSequence | Drawn

    def fails(self, library: ModuleType, mutant: str = "") -> bool:
        """Does the channel with this planted bug, or as it is, break the specification on the input?

        Args:
            library: the package ``channel``. mutant: the planted bug, or "".
        """
        if isinstance(self.input, Drawn):
            return explored(self.input, mutant).verdict.outcome is Outcome.FAIL
        tested = library.Channel
        if mutant:
            spec = f"{mutant}:{EVERY}" if parse(mutant).counts else mutant
            tested = planted_class(parse(spec))
        return bool(failure_of(tested, library, self.input))

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"golden": 1, "bug": self.bug, "mutant": self.mutant}
        if isinstance(self.input, Drawn):
            return data | {"program": self.input.program.to_json(), "kills": [list(kill) for kill in self.input.kills]}
        return data | self.input.to_json()

    @classmethod
    def from_json(cls, name: str, data: dict[str, Any]) -> Golden:
        """Inverse of `to_json`.

        Raises:
            GoldenError: another version, or malformed.
        """
        if data.get("golden") != 1:
            raise GoldenError(f"{name}: golden version {data.get('golden')!r}; this program reads version 1")
        try:
            kept: CallSequence | Drawn
            if "program" in data:
                kills = tuple((worker, access) for worker, access in data["kills"])
                kept = Drawn(Program.from_json(data["program"]), kills)
            else:
                kept = CallSequence.from_json(data)
            return cls(name, data["bug"], data["mutant"], kept)
        except (KeyError, TypeError, ValueError) as error:
            raise GoldenError(f"{name}: {error!r}") from error


def goldens(folder: Path) -> Iterator[Golden]:
    """All of a folder, by name."""
    for path in sorted(folder.glob("*.json")):
        yield Golden.from_json(path.stem, json.loads(path.read_text(encoding="utf-8")))
