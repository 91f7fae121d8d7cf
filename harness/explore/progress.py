"""The progress driver: nobody is stuck, readers depend on nobody, and a write waits for a live writer alone.

Three questions to a program, in this order; the first that is answered wrongly is the verdict:

1. *Everybody lives*: is there an execution at whose end a worker waits for what nobody will do? The rule of the verdict
   says which of the three it is: deadlock, livelock or lost wake-up (``harness/native/explorer/blocked.hpp``).
2. *All others stop for ever, each anywhere* (``harness/native/explorer/progress.hpp``): does the worker that goes on
   finish its reads, peeks and skips in a bounded number of its own accesses, and wait in a write only while another
   writer is stopped between taking the owner word and giving it back? If not, it is ``hindered``.
3. *One worker is killed, anywhere*: do all the others finish?

Calls that wait for room or for a message do so by what they are; for 2 and 3 their non-waiting forms stand in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.explore.parts import Kills, Piece, Seen
from harness.words import counted

__all__ = ["Covered", "first_questions"]


def first_questions(workers: int) -> Iterator[Piece]:
    """The first two, in pieces; those of the third are `parts.kill_plans`."""
    yield Piece()
    yield from (Piece(alone=worker) for worker in range(workers))


@dataclass
class Covered:
    """What a progress exploration has seen so far."""

    lived: int = 0
    stop_points: int = 0
    beside_stopped: int = 0
    waits: int = 0
    longest: int = 0
    kill_points: set[Kills] = field(default_factory=set)
    beside_dead: int = 0

    def add(self, seen: Seen) -> None:
        if seen.alone is not None:
            self.stop_points += seen.stop_points
            self.beside_stopped += seen.executions
            self.waits += seen.waits
            self.longest = max(self.longest, seen.longest_call)
        elif seen.kills:
            self.kill_points.add(seen.kills)
            self.beside_dead += seen.executions
        else:
            self.lived += seen.executions

    def __str__(self) -> str:
        parts = [f"nobody stuck in {counted(self.lived, 'execution')} with everybody alive"]
        if self.longest:
            parts.append(
                f"reads lock-free: {counted(self.stop_points, 'stop point')} of the others, "
                f"{counted(self.beside_stopped, 'execution')}, at most {counted(self.longest, 'access')} a call"
            )
        if self.waits:
            parts.append(f"writes waited only for a writer stopped inside its copy ({self.waits:,} of them)")
        if self.kill_points:
            points = f"{counted(len(self.kill_points), 'kill point')}, {counted(self.beside_dead, 'execution')}"
            parts.append(f"nobody waited for a dead worker: {points}")
        return "; ".join(parts)
