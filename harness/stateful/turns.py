"""Threads that take turns: one runs at a time, until a line of Python at which a schedule gives the turn to another.

Left to the operating system, threads are interleaved as the load of the machine has it: seldom, and never the same.
Here the interleaving is data, as far as it is one of Python lines. Every other schedule has one preemption, which is
what most races need, until all of these were had (Musuvathi & Qadeer, *Iterative Context Bounding for Systematic
Testing of Multithreaded Programs*, PLDI 2007); the others are random walks, which meet one of many races sooner.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

__all__ = ["Schedule", "Turns", "schedule"]

STALL_S = 0.001
"""Who holds the turn and comes to no further line by then is taken to wait in a call for another, who goes on."""

_RATE = 0.3
"""Of the steps of a random walk, how many end a turn."""


@dataclass(frozen=True)
class Schedule:
    """Who runs first, and at which steps of all the turn ends."""

    first: int
    ends: frozenset[int]


def schedule(workers: Sequence[int], steps: int, number: int) -> Schedule:
    """The `number`-th schedule, from 0, of a program of so many steps. The first has no preemption."""
    if number == 0:
        return Schedule(workers[0], frozenset())
    single = [Schedule(first, frozenset([end])) for first in workers for end in range(1, steps + 1)]
    if number % 2 and number // 2 < len(single):
        random.Random(steps).shuffle(single)
        return single[number // 2]
    chance = random.Random(number)
    # a walk may be longer than the program that was measured
    return Schedule(chance.choice(workers), frozenset(n for n in range(1, 2 * steps + 1) if chance.random() < _RATE))


class Turns:
    """Whose turn it is.

    Args:
        workers: the threads by number; each calls `begin`, then `step` before every line, and `end`.
        schedule: of the turns. Whose is the next is the schedule's, too, with two workers; with more, it is drawn.
    """

    def __init__(self, workers: Collection[int], schedule: Schedule) -> None:
        self._schedule = schedule
        self._chance = random.Random(len(schedule.ends))
        self._changed = threading.Condition()
        self._absent = set(workers)  # have not begun
        self._waiting: set[int] = set()
        self._holder: int | None = schedule.first
        self.steps = 0

    def begin(self, worker: int) -> None:
        """Wait for the first turn, of which there is none until all have begun."""
        with self._changed:
            self._absent.discard(worker)
            if not self._absent:
                self._changed.notify_all()
            self._wait(worker)

    def step(self, worker: int) -> None:
        """End the turn if this is a step at which it ends; return in the next one."""
        with self._changed:
            self.steps += 1
            if self._holder == worker:
                if self.steps not in self._schedule.ends:
                    return
                self._pass_on()
            self._wait(worker)

    def end(self, worker: int) -> None:
        """There will be no further step."""
        with self._changed:
            self._absent.discard(worker)
            if self._holder == worker:
                self._pass_on()

    def _pass_on(self) -> None:
        self._holder = self._chance.choice(sorted(self._waiting)) if self._waiting else None
        self._changed.notify_all()

    def _wait(self, worker: int) -> None:
        self._waiting.add(worker)
        while self._absent or self._holder != worker:
            if self._absent:
                self._changed.wait()  # all are past a barrier: nobody stays away
            elif self._holder is None:
                self._pass_on()
            else:
                seen = self.steps
                if not self._changed.wait(STALL_S) and self.steps == seen and self._holder not in self._waiting:
                    self._pass_on()
        self._waiting.discard(worker)
