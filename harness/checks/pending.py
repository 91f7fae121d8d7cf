"""What removals that never returned may have removed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from harness.checks.heads import Heads, heads_of
from harness.checks.model import NEVER, NOT, Bools, Ints, Model

__all__ = ["entangled", "generous", "leftovers", "match_pending", "without"]


def without(times: Ints, some: Ints) -> Ints:
    """Sorted times less some of them."""
    if not len(some):
        return times
    left = Counter(times.tolist())
    left.subtract(some.tolist())
    return np.array(sorted(left.elements()), np.int64)


def leftovers(model: Model) -> Bools:
    left: Bools = (model.removal_row == NOT) & (model.write_row != NOT)
    return left


def match_pending(model: Model) -> Model:
    """Give values that must have been removed, but by nobody known, to the pending removals.

    A value must be gone by its deadline: before a later value comes out, or before the channel is found empty. Earliest
    deadline with earliest pending removal (an exchange argument): if this matching fails, every matching does.
    """
    left = np.flatnonzero(leftovers(model))
    if not len(left) or not (len(model.anonymous) or len(model.pending_skips[0])):
        return model
    removal_inv = model.removal_inv.copy()
    values, begun = model.pending_skips
    for value, inv in zip(values.tolist(), begun.tolist(), strict=True):
        if model.removal_row[value] == NOT:
            removal_inv[value] = min(int(removal_inv[value]), inv)
    left = left[removal_inv[left] == NEVER]
    heads = heads_of(model)
    deadline = _deadlines(model, heads)
    must = left[deadline[left] != NEVER]
    order = np.lexsort((np.minimum(model.write_ret, heads.first_ret)[must], deadline[must]))
    for value, inv in zip(must[order].tolist(), model.anonymous.tolist(), strict=False):
        removal_inv[value] = inv
    return replace(model, removal_inv=removal_inv)


def generous(model: Model) -> Model:
    """Every value that is left may have been removed from the first pending removal on: more than can have happened."""
    left = leftovers(model)
    earliest = np.minimum(model.removal_inv, model.anonymous[0])
    return replace(model, removal_inv=np.where(left, earliest, model.removal_inv))


def _deadlines(model: Model, heads: Heads) -> Ints:
    """Per value the latest time by which it must be gone; NEVER where nothing says so."""
    by_write = np.argsort(model.write_inv, kind="stable")
    earliest = np.minimum.accumulate(heads.first_ret[by_write][::-1])[::-1]
    after = np.searchsorted(model.write_inv[by_write], model.write_ret, side="right")
    padded = np.append(earliest, NEVER)
    deadline = padded[after]
    if len(model.empty):
        by_inv = np.argsort(model.empty.inv, kind="stable")
        found_empty = np.append(np.minimum.accumulate(model.empty.ret[by_inv][::-1])[::-1], NEVER)
        surely_in = np.minimum(model.write_ret, heads.first_ret)
        deadline = np.minimum(deadline, found_empty[np.searchsorted(model.empty.inv[by_inv], surely_in, side="right")])
    # a value that was seen at the head is gone when another one is; all but one must be, so few are worth a look
    peeked = np.flatnonzero(leftovers(model) & (heads.first_ret != NEVER))
    for value in peeked[np.argsort(heads.first_ret[peeked])][: len(model.anonymous) + 2].tolist():
        others = (heads.value != value) & (heads.inv > heads.first_ret[value])
        deadline[value] = min(int(deadline[value]), int(heads.ret[others].min(initial=NEVER)))
    return deadline


def entangled(model: Model) -> bool:
    """Is a value that was left seen at the head, meant by a pending skip, or part of a batch?"""
    left = leftovers(model)
    others = (model.peeks.value, model.pending_skips[0], model.write_order[1])
    return any(bool(left[value].any()) for value in others)
