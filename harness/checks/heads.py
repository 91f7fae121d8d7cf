"""What met each message at the head of the queue, and when it was surely there.

Per value v: m(v) is the earliest return of a head operation (peek or removal) of it; M(v) the latest call of one, NEVER
if it was not removed. Where m < M, v was surely the head throughout; what met another message then is cut to the edge
of that time. One round of cutting is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.checks.model import ALWAYS, NEVER, NOT, Bools, Ints, Model
from harness.checks.violation import Violation

__all__ = ["Heads", "clip", "first_head", "head_rows", "heads_of", "last_head", "peek_after_removal", "surely_inside"]


@dataclass(frozen=True)
class Heads:
    """All operations that met a value at the head, clipped, with m and M per value."""

    value: Ints
    inv: Ints
    ret: Ints
    row: Ints
    clipper: Ints  # the value whose time at the head cut this operation; NOT where none did
    unrecorded: Ints  # per value: inv of a removal that stayed pending, NEVER: none, ALWAYS: it was recorded
    first_ret: Ints  # m
    last_inv: Ints  # M


def heads_of(model: Model) -> Heads:
    removed = np.flatnonzero(model.removal_row != NOT)
    value = np.concatenate([removed, model.peeks.value])
    inv = np.concatenate([model.removal_inv[removed], model.peeks.inv])
    ret = np.concatenate([model.removal_ret[removed], model.peeks.ret])
    row = np.concatenate([model.removal_row[removed], model.peeks.row])
    # a removal that nobody recorded is no operation of its own, but comes at its inv at the earliest
    unrecorded = np.where(model.removal_row == NOT, model.removal_inv, ALWAYS)
    return _bounded(unrecorded, value, inv, ret, row, np.full(len(row), NOT, np.int64))


def _bounded(unrecorded: Ints, value: Ints, inv: Ints, ret: Ints, row: Ints, clipper: Ints) -> Heads:
    first_ret = np.full(len(unrecorded), NEVER, np.int64)
    last_inv = unrecorded.copy()
    # removals come first, and are of different values
    removals = np.count_nonzero(unrecorded == ALWAYS)
    removed = value[:removals]
    first_ret[removed], last_inv[removed] = ret[:removals], inv[:removals]
    np.minimum.at(first_ret, value[removals:], ret[removals:])
    np.maximum.at(last_inv, value[removals:], inv[removals:])
    return Heads(value, inv, ret, row, clipper, unrecorded, first_ret, last_inv)


def peek_after_removal(model: Model, heads: Heads) -> Iterator[Violation]:
    late = np.flatnonzero(heads.inv > model.removal_ret[heads.value])[:1]
    for index in late.tolist():
        value = int(heads.value[index])
        yield Violation(
            "PEEK AFTER REMOVAL",
            "a message was seen at the head after it had been removed",
            (int(model.removal_row[value]), int(heads.row[index])),
        )


def _spans(heads: Heads) -> Ints:
    """Values that were surely the head for some time: m < M, by m."""
    spans = np.flatnonzero(heads.first_ret < heads.last_inv)
    ordered: Ints = spans[np.argsort(heads.first_ret[spans], kind="stable")]
    return ordered


def _overlap(heads: Heads, spans: Ints) -> Violation | None:
    """Two values cannot both surely be the head at one instant."""
    if len(spans) < 2:
        return None
    reach = np.maximum.accumulate(heads.last_inv[spans])
    bad = np.flatnonzero(heads.first_ret[spans[1:]] < reach[:-1])
    if not len(bad):
        return None
    later = int(spans[bad[0] + 1])
    earlier = int(spans[np.argmax(heads.last_inv[spans[: bad[0] + 1]])])
    rows = (*head_rows(heads, earlier), *head_rows(heads, later))
    return Violation("HEAD", "two messages were at the head at the same time", rows)


def head_rows(heads: Heads, value: int) -> list[int]:
    """The operations that prove when a value was the head: the first to return and the last to begin."""
    mine = np.flatnonzero(heads.value == value)
    first, last = mine[np.argmin(heads.ret[mine])], mine[np.argmax(heads.inv[mine])]
    return sorted({int(heads.row[first]), int(heads.row[last])})


def clip(heads: Heads) -> Heads | Violation:
    """Head operations, cut where another value was surely the head; a violation where nothing of one is left."""
    spans = _spans(heads)
    if not len(spans):
        return heads
    broken = _overlap(heads, spans)
    if broken is not None:
        return broken
    start, end = heads.first_ret[spans], heads.last_inv[spans]

    def inside(time: Ints) -> tuple[Bools, Ints]:
        """Is a time strictly inside the span of another value, and of which span?"""
        place = np.maximum(np.searchsorted(start, time, side="left") - 1, 0)
        strictly = (start[place] < time) & (time < end[place]) & (spans[place] != heads.value)
        return strictly, place

    begins, begin_span = inside(heads.inv)
    ends, end_span = inside(heads.ret)
    inv = np.where(begins, end[begin_span], heads.inv)
    ret = np.where(ends, start[end_span], heads.ret)
    inverted = np.flatnonzero(inv > ret)
    if len(inverted):
        index = int(inverted[0])
        clippers = [int(spans[place[index]]) for cut, place in ((begins, begin_span), (ends, end_span)) if cut[index]]
        rows = [int(heads.row[index]), *(row for clipper in clippers for row in head_rows(heads, clipper))]
        sentence = "a message was at the head while another one surely was"
        return Violation("HEAD", sentence, tuple(dict.fromkeys(rows)))
    clipper = np.where(begins, spans[begin_span], np.where(ends, spans[end_span], NOT))
    clipped = _bounded(heads.unrecorded, heads.value, inv, ret, heads.row, clipper)
    return _overlap(clipped, _spans(clipped)) or clipped


def first_head(heads: Heads, value: int) -> list[int]:
    """The operation that says how early a value was at the head; none where only its batch says so."""
    mine = np.flatnonzero(heads.value == value)
    return [int(heads.row[mine[np.argmin(heads.ret[mine])]])] if len(mine) else []


def last_head(heads: Heads, value: int) -> list[int]:
    """The operation that says how late a value was still there; none for a value that never came out."""
    mine = np.flatnonzero(heads.value == value)
    return [int(heads.row[mine[np.argmax(heads.inv[mine])]])] if len(mine) else []


def surely_inside(model: Model, heads: Heads) -> tuple[Ints, Ints, Ints]:
    """Open intervals in which a value was surely inside, by start: (start, end, value)."""
    start, end = np.minimum(model.write_ret, heads.first_ret), heads.last_inv
    some = np.flatnonzero((start < end) & (model.write_row != NOT))
    some = some[np.argsort(start[some], kind="stable")]
    return start[some], end[some], some
