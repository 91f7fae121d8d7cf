"""A MISMATCH that does not tell the head, soundly: a violation reported is one, but some are missed.

It says that something was at the head, and not the message that was asked for. That is wrong if at every instant of the
call either that message surely was the head, or nothing else can have been inside. ``harness.checks.bounded`` decides
the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checks.heads import head_rows, heads_of
from harness.checks.model import ALWAYS, NEVER, NOT, Bools, Ints, Model
from harness.checks.pending import generous
from harness.checks.violation import Violation

__all__ = ["mismatch_violations"]


def mismatch_violations(model: Model) -> Iterator[Violation]:
    """A MISMATCH for which there was no other head, for certain."""
    if not len(model.others):
        return
    if len(model.anonymous):  # each may have taken any value that is left, so none is surely the head from then on
        model = generous(model)
    heads = heads_of(model)
    others = model.others
    meant = np.where(others.value < model.count, others.value, NOT)
    # surely the head strictly between these
    begin = np.where(meant != NOT, np.append(heads.first_ret, NEVER)[meant], NEVER)
    end = np.where(meant != NOT, np.append(heads.last_inv, NEVER)[meant], NEVER)
    surely = begin < end
    until = np.where(surely, np.minimum(others.ret, begin), others.ret)
    since = np.where(surely, np.maximum(others.inv, end), NEVER)
    possible = _others_inside(model, others.inv, until) | _others_inside(model, since, others.ret)
    for index in np.flatnonzero(~possible)[:1].tolist():
        row, value = int(others.row[index]), int(meant[index])
        if value != NOT and surely[index] and begin[index] < others.ret[index] and others.inv[index] < end[index]:
            rows = [row, *(shown for shown in (int(model.write_row[value]), *head_rows(heads, value)) if shown != NOT)]
            sentence = "a skip found another message at the head than the one it meant, and no other was there"
            yield Violation("MISMATCH", sentence, tuple(dict.fromkeys(rows)))
        else:
            sentence = (
                "a skip found another message at the head than the one it meant, and no other can have been inside"
            )
            yield Violation("MISMATCH", sentence, (row,))


def _others_inside(model: Model, since: Ints, until: Ints) -> Bools:
    """Can a message other than the one that was meant have been inside at an instant of [since, until]?"""
    in_from = np.append(model.write_inv, model.unseen.inv)
    out_by = np.append(model.removal_ret, np.full(len(model.unseen), NEVER))
    # what is out before that went in before that
    count = np.searchsorted(np.sort(in_from), until, side="right") - np.searchsorted(
        np.sort(out_by), since, side="left"
    )
    meant = model.others.value
    itself = (meant != NOT) & (np.append(in_from, NEVER)[meant] <= until) & (np.append(out_by, ALWAYS)[meant] >= since)
    possible: Bools = (since <= until) & (count - itself > 0)
    return possible
