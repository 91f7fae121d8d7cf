"""Golden counterexamples: the smallest known input of every bug ever found, kept as JSON and run again in CI.

A golden is a sequence of calls for the sequential machine, the moves of an interleaving on the simulated core, or a
program (and kills) for the explorer. With a program there is no schedule: one of this size is explored whole, so that a
change of the core that reorders its accesses makes it not void. Moves count accesses, so they may become void:

    python -m harness.stateful.golden scenarios/golden

finds anew what its bug no longer fails on, and what is missing; it names what it wrote.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import settings

from harness.explore import EVERY
from harness.mutants import Mutant, Nature, all_mutants, parse
from harness.program import Program
from harness.stateful.execution import Drawn as Interleaving
from harness.stateful.execution import Setting, perform
from harness.stateful.explored import Drawn, explored, find_explored
from harness.stateful.interleaving import find_interleaving
from harness.stateful.sequence import CallSequence
from harness.stateful.sequential import failure_of, find_sequential
from harness.systems.channel import planted_class
from harness.verdict import Outcome

__all__ = ["Golden", "GoldenError", "expected", "goldens", "regenerate"]


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
    input: CallSequence | Interleaving | Drawn

    def fails(self, library: ModuleType, mutant: str = "") -> bool:
        """Does the channel with this planted bug, or as it is, break the specification on the input?

        Args:
            library: the package ``channel``. mutant: the planted bug, or "".
        """
        if isinstance(self.input, Drawn):
            return explored(self.input, mutant).verdict.outcome is Outcome.FAIL
        if isinstance(self.input, Interleaving):
            setting = Setting(mutant=mutant, most_kills=sum(move.what == "kill" for move in self.input.moves))
            return perform(setting, self.input) is not None
        tested = _planted(mutant) if mutant else library.Channel
        return bool(failure_of(tested, library, self.input))

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"golden": 1, "bug": self.bug, "mutant": self.mutant}
        if isinstance(self.input, Drawn):
            return data | {"program": self.input.program.to_json(), "kills": [list(kill) for kill in self.input.kills]}
        if isinstance(self.input, Interleaving):
            return data | {"interleaving": self.input.to_json()}
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
            kept: CallSequence | Interleaving | Drawn
            if "program" in data:
                kills = tuple((worker, access) for worker, access in data["kills"])
                kept = Drawn(Program.from_json(data["program"]), kills)
            elif "interleaving" in data:
                kept = Interleaving.from_json(data["interleaving"])
            else:
                kept = CallSequence.from_json(data)
            return cls(name, data["bug"], data["mutant"], kept)
        except (KeyError, TypeError, ValueError) as error:
            raise GoldenError(f"{name}: {error!r}") from error


def _planted(mutant: str) -> type:
    return planted_class(parse(f"{mutant}:{EVERY}" if parse(mutant).counts else mutant))


def goldens(folder: Path) -> Iterator[Golden]:
    """All of a folder, by name."""
    for path in sorted(folder.glob("*.json")):
        yield Golden.from_json(path.stem, json.loads(path.read_text(encoding="utf-8")))


LAYERS = {1: "calls", 2: "moves", 3: "program"}
"""What a golden of each layer is called, after its mutant."""

MOVED = (
    "early-publish",
    "blind-removal",
    "no-recovery",
    "trusting-recovery",
    "take-owner-relaxed",
    "give-owner-relaxed",
    "load-header-relaxed",
    "publish-relaxed",
)
"""Mutants of which layer 2 finds an interleaving in seconds."""


def expected() -> dict[str, tuple[Mutant, int]]:
    """By name of the file: the mutant, and the layer that finds it."""
    wanted: dict[str, tuple[Mutant, int]] = {}
    for mutant in all_mutants():
        found_in = {1: mutant.needs.calls > 0, 2: mutant.name in MOVED, 3: mutant.needs.workers > 0}
        wanted |= {f"{mutant.name}-{LAYERS[layer]}": (mutant, layer) for layer, finds in found_in.items() if finds}
    return wanted


def found_anew(mutant: Mutant, layer: int, library: ModuleType) -> CallSequence | Interleaving | Drawn | None:
    """The shrunk input that a layer finds; None: it finds none."""
    if layer == 1:
        chosen = settings(max_examples=300, stateful_step_count=40, database=None, derandomize=True, deadline=None)
        sequential = find_sequential(_planted(mutant.name), library, chosen)
        return None if sequential is None else sequential.sequence
    if layer == 2:
        setting = Setting(mutant=mutant.name, most_kills=int(mutant.nature is Nature.CRASH))
        found = find_interleaving(setting, max_examples=5_000)
        return None if found is None else found.drawn
    convicted = find_explored(mutant.name)
    return None if convicted is None else convicted.drawn


def regenerate(folder: Path, library: ModuleType) -> list[str]:
    """Write anew what is missing, and what its mutant does not fail on any more; the names of what was written.

    Raises:
        GoldenError: nothing was found for one.
    """
    known = {golden.name: golden for golden in goldens(folder)}
    written = []
    for name, (mutant, layer) in expected().items():
        if name in known and known[name].fails(library, mutant.name):
            continue
        input = found_anew(mutant, layer, library)
        if input is None:
            raise GoldenError(f"{name}: layer {layer} does not find {mutant.name}")
        golden = Golden(name, mutant.description, mutant.name, input)
        (folder / f"{name}.json").write_text(json.dumps(golden.to_json(), indent=1) + "\n", encoding="utf-8")
        written.append(name)
    return written


def main(arguments: list[str]) -> int:
    """The command: the folder is its one argument."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(f"one argument, the folder of the goldens; got {arguments}", file=sys.stderr)
        return 2
    library = importlib.import_module("channel")
    print(*(regenerate(Path(arguments[0]), library) or ["nothing to write"]), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
