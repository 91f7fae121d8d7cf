"""The order within batches: the messages of one call share an interval, but happen in an order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.checks.heads import Heads, last_head
from harness.checks.model import NEVER, NOT, Ints, Model
from harness.checks.violation import LONGEST_WITNESS, Violation

__all__ = ["narrow"]


def narrow(model: Model, heads: Heads) -> tuple[Model, Heads] | Violation:
    """Carry bounds along the order within batches: the messages of one call share an interval, but have an order.

    If u comes before v in a batch, then u's write and all that met u at the head come before v's. So u's latest
    times are at most v's, and v's earliest at least u's; until nothing changes.
    """
    write_inv, write_ret = model.write_inv.copy(), model.write_ret.copy()
    first_ret, last_inv, gone = heads.first_ret.copy(), heads.last_inv.copy(), model.removal_ret.copy()
    pairs = [_neighbours(*model.write_order), _neighbours(*model.read_order)]
    before, after = (np.concatenate(side) for side in zip(*pairs, strict=True))
    batched = np.zeros(model.count, np.bool_)
    batched[before] = batched[after] = True
    among = np.flatnonzero(batched)
    for _ in range(2 * len(before) + 2):
        moved = [
            _not_before(write_inv, after, write_inv[before]),
            _not_before(last_inv, after, last_inv[before]),
            _not_after(write_ret, before, write_ret[after]),
            _not_after(gone, before, first_ret[after]),
            _not_after(first_ret, before, first_ret[after]),
        ]
        impossible = (write_inv[among] > write_ret[among]) | (last_inv[among] > gone[among]) & (gone[among] != NEVER)
        if impossible.any():
            return _batch_violation(model, heads, int(among[np.argmax(impossible)]))
        if not any(moved):
            break
    looped = _on_a_cycle(model, before, after)
    if looped != NOT:
        return _batch_violation(model, heads, looped)
    narrowed = replace(model, write_inv=write_inv, write_ret=write_ret, removal_ret=gone)
    return narrowed, replace(heads, first_ret=first_ret, last_inv=last_inv)


def _not_before(times: Ints, value: Ints, bound: Ints) -> bool:
    """Move the times of values up to their bounds, in place; did any move?"""
    early = np.flatnonzero(times[value] < bound)
    np.maximum.at(times, value[early], bound[early])
    return len(early) > 0


def _not_after(times: Ints, value: Ints, bound: Ints) -> bool:
    """Move the times of values down to their bounds, in place; did any move?"""
    late = np.flatnonzero(times[value] > bound)
    np.minimum.at(times, value[late], bound[late])
    return len(late) > 0


def _neighbours(group: Ints, value: Ints) -> tuple[Ints, Ints]:
    """Pairs of values that follow each other in one batch."""
    same = group[1:] == group[:-1]
    return value[:-1][same], value[1:][same]


def _on_a_cycle(model: Model, before: Ints, after: Ints) -> int:
    """A value that the orders within batches put before itself; NOT if there is none."""
    ids = model.history.operations["id"][model.write_row]
    if (ids[before] < ids[after]).all():
        return NOT  # the ids, if there are any, prove that there is none
    followers: dict[int, list[int]] = {}
    waiting: dict[int, int] = {}
    for first, second in zip(before.tolist(), after.tolist(), strict=True):
        followers.setdefault(first, []).append(second)
        waiting[second] = waiting.get(second, 0) + 1
    ready = [value for value in followers if value not in waiting]
    while ready:
        for second in followers.get(ready.pop(), ()):
            waiting[second] -= 1
            if not waiting[second]:
                del waiting[second]
                ready.append(second)
    return next(iter(waiting), NOT)


def _batch_violation(model: Model, heads: Heads, value: int) -> Violation:
    """The messages of the batches around `value`, as many as fit a page, in order of their writes."""
    shown = [value]
    for group, members in (model.read_order, model.write_order):
        around = np.isin(group, group[np.isin(members, shown)])
        shown = list(dict.fromkeys([*shown, *members[around].tolist()]))
    shown = shown[: LONGEST_WITNESS // 2]
    rows = [int(model.write_row[inside]) for inside in shown]
    rows += [row for inside in shown for row in last_head(heads, inside)]
    sentence = "messages of one batch came out in another order than they went in"
    return Violation("ORDER", sentence, tuple(dict.fromkeys(rows)))
