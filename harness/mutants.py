"""Planted bugs of the channel: what the harness must be able to find.

The bugs themselves stand in ``harness/native/mutants.hpp``, behind a template parameter that production code never
instantiates; this module lists and names them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from harness import _native

__all__ = ["Mutant", "MutantError", "Nature", "Needs", "all_mutants", "describe", "parse"]


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
class Needs:
    """How little shows a planted bug: what a counterexample may have at most when it is shrunk (tests/quality).

    Attributes:
        calls: of one thread, for the sequential specification; 0: one thread alone does not see it.
        workers, operations: of a program that the explorer convicts; 0: no such program.
        switches, stale, kills: context switches, stale accesses and kills of its schedule.
    """

    calls: int = 0
    workers: int = 0
    operations: int = 0
    switches: int = 0
    stale: int = 0
    kills: int = 0


# Those that strike every n-th call strike at the second.
_NEEDS = {
    "doubled-message": Needs(calls=4, workers=1, operations=4),  # two messages, and the second read of one handle
    "dropped-message": Needs(calls=2, workers=1, operations=2),  # the second write of one handle
    "torn-payload": Needs(calls=4, workers=1, operations=2),  # the second message, and somebody who reads it
    "skip-any": Needs(calls=2, workers=1, operations=2),  # a message, and a skip of another id
    "early-timeout": Needs(calls=2, workers=1, operations=1),  # a wait that is in vain: alone for room, after a message
    "silent-writer": Needs(workers=2, operations=2, switches=1),  # a sleeper, and the message that should wake it
    "overfull": Needs(calls=2, workers=1, operations=2),  # two messages that leave less than 16 bytes
    # alone, one message: what stands behind it is no terminator; explored rings begin cleared, and wrap around first
    "no-terminator": Needs(calls=1, workers=2, operations=3, switches=2),
    "blind-removal": Needs(workers=2, operations=3, switches=2),  # one message, and two reads of it
    "unchecked-empty": Needs(workers=2, operations=5, switches=2),  # a lap between the look at head and at the header
    "unchecked-peek": Needs(workers=2, operations=4, switches=3),  # a message, its peek, its read, a write over it
    "early-publish": Needs(workers=2, operations=2, switches=2),
    "lost-wakeup": Needs(workers=2, operations=2, switches=2),
    "no-recovery": Needs(workers=2, operations=2, switches=1, kills=1),
    "trusting-recovery": Needs(workers=2, operations=2, switches=1, kills=1),
    "wrong-wrap": Needs(calls=4, workers=1, operations=3),  # a message that straddles the end
    "short-skip": Needs(calls=2, workers=1, operations=3),  # a message of more than 16 bytes, its id, its skip
    "silent-partial": Needs(workers=2, operations=3, switches=1),  # a batch for which there is no room, and sleepers
    "unchecked-batch": Needs(workers=2, operations=5, switches=2),  # a lap during the last operation of a batch
    "unchecked-state": Needs(workers=2, operations=4, switches=2),  # a message, its read and another, while one looks
    "late-tail": Needs(workers=2, operations=3, switches=3, kills=1),  # a batch that a lap overtakes, and a write
    # a sleeper, the message that it misses, and a write that finds no room beside it
    "silent-recovery": Needs(workers=3, operations=3, switches=2, kills=1),
    "late-timeout": Needs(workers=1, operations=1),  # a wait that is in vain; the sequential specification has no clock
    "blind-read-timeout": Needs(workers=1, operations=1),
    "blind-write-timeout": Needs(workers=2, operations=2, switches=2),  # two writers who meet, and room
    "greedy-batch": Needs(calls=3, workers=1, operations=3),  # two messages, and a batch for one
    "repeated-batch": Needs(calls=1, workers=1, operations=1),  # a batch of more than there is room for
    "kept-owner": Needs(workers=2, operations=2, switches=1, kills=1),
    "other-id": Needs(calls=2, workers=1, operations=2),  # a message, and its peek
    "early-group": Needs(workers=1, operations=1, kills=1),  # a batch; who is killed leaves what was never written
    "take-owner-relaxed": Needs(workers=2, operations=2, switches=1, stale=1),
    "give-owner-relaxed": Needs(workers=3, operations=3, switches=2, stale=1),
    "give-owner-fence-release": Needs(workers=2, operations=2, switches=1, stale=1),
    "give-owner-fence-relaxed": Needs(workers=2, operations=2, switches=1, stale=1),
    "load-head-writer-relaxed": Needs(workers=2, operations=3, switches=2),
    "writer-fence-relaxed": Needs(workers=2, operations=4, switches=2, stale=1),
    "publish-relaxed": Needs(workers=2, operations=2, switches=1, stale=1),
    "store-tail-relaxed": Needs(workers=2, operations=2, switches=1, stale=2),  # a write, and somebody who looks
    "load-tail-relaxed": Needs(workers=2, operations=2, switches=1, stale=2),
    # with two stale accesses three operations do, with one four or five
    "load-head-reader-relaxed": Needs(workers=2, operations=5, switches=3, stale=2),
    "load-header-relaxed": Needs(workers=2, operations=2, switches=1, stale=1),
    "reader-fence-relaxed": Needs(workers=2, operations=4, switches=3, stale=1),
    "take-head-relaxed": Needs(workers=2, operations=3, switches=2),
    "load-seq-relaxed": Needs(workers=3, operations=4, switches=5, stale=1),
    "sleeper-fence-acq-rel": Needs(workers=2, operations=2, switches=1, stale=1),
    "bump-seq-relaxed": Needs(workers=3, operations=4, switches=5, stale=1),
}


@dataclass(frozen=True)
class Mutant:
    """A planted bug.

    Attributes:
        name: in kebab-case. description: what it does to the channel.
        found_by: the property whose check convicts it first.
        nature: what it takes.
        program: the one of ``harness.explore.programs`` on which the explorer convicts it; with somebody killed if its
            nature is CRASH.
        every: it strikes every so many calls of one handle; 0: always, or not counted.
    """

    name: str
    description: str
    found_by: str
    nature: Nature
    program: str
    every: int = 0

    @property
    def needs(self) -> Needs:
        """How little shows it."""
        return _NEEDS.get(self.name, Needs())

    @property
    def counts(self) -> bool:
        """Does it strike every so many calls?"""
        return self.name in _COUNTED

    @property
    def spec(self) -> str:
        """What `parse` reads back."""
        return f"{self.name}:{self.every}" if self.every else self.name

    def design(self) -> _native.Planted:
        """For the native side."""
        design = _native.planted(self.name, self.every)
        assert design is not None, "parse() admits only names of the native table"
        return design


_COUNTED = {name for name, _, _, _, counts, _ in _native.MUTANTS if counts}


def all_mutants() -> tuple[Mutant, ...]:
    """Every planted bug, the easiest to find first."""
    return tuple(
        Mutant(name, description, found_by, Nature(nature), program)
        for name, description, found_by, nature, _, program in _native.MUTANTS
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
    return replace(mutant, every=every)


def describe() -> str:
    """The list for people, as ``run --mutant '?'`` prints it."""
    mutants = all_mutants()
    width = max(len(mutant.name) for mutant in mutants)
    lines = [
        f"{mutant.name:<{width}}  {mutant.nature.value:<13}  {mutant.description} (found by {mutant.found_by})"
        for mutant in mutants
    ]
    return "\n".join(lines)
