"""Planted bugs of the channel: what the harness must be able to find.

The bugs themselves stand in ``harness/native/mutants.hpp``, behind a template parameter that production code never
instantiates; this module lists and names them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness import _native

__all__ = ["Mutant", "MutantError", "Nature", "all_mutants", "describe", "parse"]


class MutantError(ValueError):
    """There is no such planted bug; the message lists those that there are."""


class Nature(StrEnum):
    """How a planted bug comes to light."""

    DETERMINISTIC = "deterministic"
    """In every run that makes enough calls."""
    RACY = "racy"
    """Needs an interleaving that stress meets only by chance."""
    CRASH = "crash"
    """Needs a participant killed at the right step."""
    WEAK = "weak"
    """Needs a machine, or an explorer, that reorders."""


@dataclass(frozen=True)
class Mutant:
    """A planted bug.

    Attributes:
        name: in kebab-case. description: what it does to the channel.
        found_by: the property whose check convicts it first.
        nature: what it takes.
        every: it strikes every so many calls of one handle; 0: always, or not counted.
    """

    name: str
    description: str
    found_by: str
    nature: Nature
    every: int = 0

    @property
    def spec(self) -> str:
        """What `parse` reads back."""
        return f"{self.name}:{self.every}" if self.every else self.name

    def design(self) -> _native.Planted:
        """For the native side."""
        design = _native.planted(self.name, self.every)
        assert design is not None, "parse() admits only names of the native table"
        return design


_COUNTED = {name for name, _, _, _, counts in _native.MUTANTS if counts}


def all_mutants() -> tuple[Mutant, ...]:
    """Every planted bug, the easiest to find first."""
    return tuple(
        Mutant(name, description, found_by, Nature(nature))
        for name, description, found_by, nature, _ in _native.MUTANTS
    )


def parse(spec: str) -> Mutant:
    """The planted bug of a name, or of ``NAME:N`` for one that strikes every N-th call.

    Raises:
        MutantError: no such bug, or N makes no sense for it.
    """
    matched = re.fullmatch(r"([a-z-]+)(?::([0-9]{1,9}))?", spec)
    known = {mutant.name: mutant for mutant in all_mutants()}
    if matched is None or matched[1] not in known:
        raise MutantError(f"no planted bug {spec!r}; there are: {', '.join(known)}")
    mutant = known[matched[1]]
    if matched[2] is None:
        return mutant
    every = int(matched[2])
    if mutant.name not in _COUNTED:
        raise MutantError(f"{mutant.name} does not strike every n-th call; leave ':{every}' away")
    if every < 1:
        raise MutantError(f"{mutant.name} strikes every n-th call, n from 1; got {every}")
    return Mutant(mutant.name, mutant.description, mutant.found_by, mutant.nature, every)


def describe() -> str:
    """The list for people, as ``run --mutant '?'`` prints it."""
    mutants = all_mutants()
    width = max(len(mutant.name) for mutant in mutants)
    lines = [
        f"{mutant.name:<{width}}  {mutant.nature.value:<13}  {mutant.description} (found by {mutant.found_by})"
        for mutant in mutants
    ]
    return "\n".join(lines)
