"""FULL and OVERFLOW, soundly: a violation reported is one, but some are missed.

A message said not to fit is an error if whatever may have been inside left room for it at every instant; and more was
inside than fits if what surely was, at some instant, did not fit. ``harness.checks.bounded`` decides the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checks.heads import Heads, first_head, heads_of, last_head, surely_inside
from harness.checks.model import NOT, Ints, Model
from harness.checks.pending import generous
from harness.checks.violation import LONGEST_WITNESS, Violation

__all__ = ["capacity_violations", "most_inside"]


def capacity_violations(model: Model) -> Iterator[Violation]:
    """What breaks the capacity for certain."""
    capacity = model.history.capacity
    if capacity is None or not model.count:
        return
    if len(model.anonymous):  # each may have taken any value that is left, so none is surely inside from then on
        model = generous(model)
    yield from _overflow(model, capacity)
    yield from _full(model, capacity)


def _overflow(model: Model, capacity: int) -> Iterator[Violation]:
    heads = heads_of(model)
    start, end, value = surely_inside(model, heads)
    times = np.concatenate([start, end])
    change = np.concatenate([model.cost[value], -model.cost[value]])
    # an open interval: at one instant, first out, then in
    order = np.lexsort((np.sign(change), times))
    inside = np.cumsum(change[order])
    for index in np.flatnonzero(inside > capacity)[:1].tolist():
        instant = int(times[order[index]])
        there = value[(start <= instant) & (instant < end)]
        there = there[np.argsort(-model.cost[there], kind="stable")]
        enough = there[: 1 + int(np.searchsorted(np.cumsum(model.cost[there]), capacity, side="right"))]
        rows = [row for one in enough.tolist() for row in _that_it_is_inside(model, heads, one, instant)]
        history = model.history
        sentence = (
            f"messages of {history.amount(int(inside[index]))} were surely inside at once; the capacity is "
            f"{history.of_capacity(capacity)}"
        )
        yield Violation("OVERFLOW", sentence, tuple(dict.fromkeys(rows))[:LONGEST_WITNESS])


def _that_it_is_inside(model: Model, heads: Heads, value: int, instant: int) -> list[int]:
    """The operations that say so: its write, who saw it before that returned, who saw it last if it may be taken."""
    rows = [int(model.write_row[value])]
    if model.write_ret[value] > instant:
        rows += first_head(heads, value)
    if len(model.anonymous) or len(model.pending_skips[0]):
        rows += last_head(heads, value)
    return rows


def _may_be_inside(model: Model) -> tuple[Ints, Ints]:
    """(times, accounted bytes that may be inside from then on), the latter at least what is inside at that instant."""
    written = np.flatnonzero(model.write_row != NOT)
    unseen = model.unseen
    times = np.concatenate([model.write_inv[written], unseen.inv, model.removal_ret[written]])
    change = np.concatenate([model.cost[written], unseen.size, -model.cost[written]])
    # a closed interval: at one instant, first in, then out
    order = np.lexsort((-np.sign(change), times))
    return times[order], np.cumsum(change[order])


def most_inside(model: Model) -> int:
    """No more accounted bytes than these can have been inside at once."""
    return int(_may_be_inside(model)[1].max(initial=0))


def _full(model: Model, capacity: int) -> Iterator[Violation]:
    if not len(model.full):
        return
    times, inside = _may_be_inside(model)
    begin = np.searchsorted(times, model.full.inv, side="left") - 1
    until = np.searchsorted(times, model.full.ret, side="right")
    highest = _window_maximum(np.append(0, inside), begin + 1, until)
    for index in np.flatnonzero(highest + model.full.size <= capacity)[:1].tolist():
        history = model.history
        sentence = (
            f"a message of {history.amount(int(model.full.size[index]))} was said not to fit, but at no instant could "
            f"more than {history.of_capacity(int(highest[index]))} of {history.of_capacity(capacity)} have been taken"
        )
        yield Violation("FULL", sentence, (int(model.full.row[index]),))


def _window_maximum(values: Ints, low: Ints, high: Ints) -> Ints:
    """max(values[low .. high]), both ends included, for many windows."""
    # reduceat takes half-open windows in pairs; the one between two pairs is thrown away
    ends = np.append(values, values[-1:])
    pairs = np.column_stack([low, high + 1]).ravel()
    highest: Ints = np.maximum.reduceat(ends, pairs)[::2]
    return highest
