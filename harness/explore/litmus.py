"""Litmus programs: a few accesses each, whose numbers of executions under RC11 are known.

The names are those of the literature (Alglave, Maranget, Tautschnig, *Herding cats*, TOPLAS 2014; Lahav et al.,
*Repairing sequential consistency in C/C++11*, PLDI 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness import _explorer

__all__ = ["LITMUS", "Instruction", "LitmusProgram", "LitmusTest"]


class Instruction(NamedTuple):
    """One step of a litmus program.

    Attributes:
        code: load, store, exchange, add, compare, compare_weak, fence; guard (end the worker unless the last value read
            is `value`), await (load until `value` is found), check (`value` was read last), choose (below `value`).
        location: which location, from 0.
        value: stored, added, awaited or guarded for.
        expected: of a compare.
        order: plain, relaxed, acquire, release, acq_rel or seq_cst; of a compare: on success.
        failure: of a compare, on failure.
    """

    code: str
    location: int = 0
    value: int = 0
    expected: int = 0
    order: str = "relaxed"
    failure: str = "relaxed"


@dataclass(frozen=True)
class LitmusProgram:
    """Straight-line workers over `locations` words that are 0 at first."""

    locations: int
    workers: Sequence[Sequence[Instruction]]

    def subject(self) -> _explorer.Subject:
        """What the explorer takes."""
        steps = [
            [(step.code, step.location, step.value, step.expected, step.order, step.failure) for step in worker]
            for worker in self.workers
        ]
        return _explorer.litmus(self.locations, steps)


@dataclass(frozen=True)
class LitmusTest:
    """A program and how many executions it has under RC11 (all of them, none reduced away)."""

    program: LitmusProgram
    executions: int


def _load(location: int, order: str = "relaxed") -> Instruction:
    return Instruction("load", location, order=order)


def _store(location: int, value: int = 1, order: str = "relaxed") -> Instruction:
    return Instruction("store", location, value, order=order)


def _fence(order: str) -> Instruction:
    return Instruction("fence", order=order)


def _program(*workers: Sequence[Instruction], locations: int = 2) -> LitmusProgram:
    return LitmusProgram(locations, workers)


def _store_buffering(order: str, fence: str | None = None) -> LitmusProgram:
    between = [] if fence is None else [_fence(fence)]
    return _program(
        [_store(0, order=order), *between, _load(1, order)],
        [_store(1, order=order), *between, _load(0, order)],
    )


def _message_passing(publish: str, observe: str, fences: tuple[str, str] | None = None) -> LitmusProgram:
    before, after = ([], []) if fences is None else ([_fence(fences[0])], [_fence(fences[1])])
    return _program(
        [_store(0), *before, _store(1, order=publish)],
        [_load(1, observe), *after, _load(0)],
    )


def _independent_reads(order: str, fence: str | None = None) -> LitmusProgram:
    between = [] if fence is None else [_fence(fence)]
    store, load = (order, order) if order in ("relaxed", "seq_cst") else ("release", "acquire")
    return _program(
        [_store(0, order=store)],
        [_store(1, order=store)],
        [_load(0, load), *between, _load(1, load)],
        [_load(1, load), *between, _load(0, load)],
    )


def _both_write(order: str, fence: str | None = None) -> LitmusProgram:
    between = [] if fence is None else [_fence(fence)]
    return _program(
        [_store(0, 1, order), *between, _store(1, 2, order)],
        [_store(1, 1, order), *between, _store(0, 2, order)],
    )


def _adds(workers: int, each: int = 1) -> LitmusProgram:
    return _program(*[[Instruction("add", 0, 1)] * each for _ in range(workers)], locations=1)


_COMPARE = Instruction("compare", 0, 1, 0, "acq_rel", "acquire")
_COMPARE_WEAK = _COMPARE._replace(code="compare_weak")

LITMUS: dict[str, LitmusTest] = {
    "SB": LitmusTest(_store_buffering("relaxed"), 4),
    "SB+sc": LitmusTest(_store_buffering("seq_cst"), 3),
    "SB+sc-fences": LitmusTest(_store_buffering("relaxed", "seq_cst"), 3),
    "SB+acq-rel-fences": LitmusTest(_store_buffering("relaxed", "acq_rel"), 4),
    "MP": LitmusTest(_message_passing("relaxed", "relaxed"), 4),
    "MP+rel+acq": LitmusTest(_message_passing("release", "acquire"), 3),
    "MP+rel": LitmusTest(_message_passing("release", "relaxed"), 4),
    "MP+acq": LitmusTest(_message_passing("relaxed", "acquire"), 4),
    "MP+fences": LitmusTest(_message_passing("relaxed", "relaxed", ("release", "acquire")), 3),
    "LB": LitmusTest(_program([_load(0), _store(1)], [_load(1), _store(0)]), 3),
    "2+2W": LitmusTest(_both_write("relaxed"), 4),
    "2+2W+sc": LitmusTest(_both_write("seq_cst"), 3),
    "2+2W+sc-fences": LitmusTest(_both_write("relaxed", "seq_cst"), 3),
    "CoRR": LitmusTest(_program([_store(0)], [_load(0), _load(0)], locations=1), 3),
    "IRIW": LitmusTest(_independent_reads("relaxed"), 16),
    "IRIW+acq": LitmusTest(_independent_reads("acquire"), 16),
    "IRIW+sc": LitmusTest(_independent_reads("seq_cst"), 15),
    "IRIW+sc-fences": LitmusTest(_independent_reads("relaxed", "seq_cst"), 15),
    "2 adds": LitmusTest(_adds(2), 2),
    "3 adds": LitmusTest(_adds(3), 6),
    "4 adds": LitmusTest(_adds(4), 24),
    "5 adds": LitmusTest(_adds(5), 120),
    "6 adds": LitmusTest(_adds(6), 720),
    "2 times 2 adds": LitmusTest(_adds(2, 2), 6),
    "2 compares": LitmusTest(_program([_COMPARE], [_COMPARE], locations=1), 2),
    "2 weak compares": LitmusTest(_program([_COMPARE_WEAK], [_COMPARE_WEAK], locations=1), 5),
}
