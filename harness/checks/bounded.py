"""Is a history linearizable as a FIFO queue of its capacity? What the exact rules and the sound ones leave open.

Attempts, each for what those before did not decide (``harness/native/checks/queue_search.hpp``):

1. *certificate*: a linearization is constructed greedily, a little wider where that gets stuck, and replayed;
2. *in order*: all linearizations in which the values go in in the order of their entry ids; can only prove;
3. *complete search* by events: decides either way, for queues that hold few messages, within a budget;
4. *beam*: many configurations at once; can only prove.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness._native import search_queue
from harness.checks.capacity import most_inside
from harness.checks.certificate import Action, QueueOperations, Small, replay
from harness.checks.heads import heads_of
from harness.checks.model import NEVER, NOT, Ints, Model
from harness.checks.pending import without
from harness.operation import NO_ID, Status

__all__ = ["ATTEMPTS", "Attempt", "Bounded", "asks_for_search", "operations_of", "search"]

_LINEARIZABLE, _REFUTED = 0, 1


@dataclass(frozen=True)
class Attempt:
    """How hard to try: configurations kept at first and at most (0: all), and operations tried per operation.

    in_order: only linearizations in which values go in as their entry ids say.
    """

    engine: str
    width: int
    widest: int
    steps: int
    in_order: bool = False


ATTEMPTS = (
    Attempt("certificate", 1, 64, 200),
    Attempt("in order", 0, 0, 200, in_order=True),
    Attempt("complete search", 0, 0, 100),
    Attempt("beam", 512, 4096, 1_000),
)
_MOST_STEPS = 10_000_000
_FEWEST_STEPS = 100_000


@dataclass(frozen=True)
class Bounded:
    """What was decided.

    Attributes:
        linearizable: None: not decided. engine: which attempt decided it, or was the last. steps: operations tried, in
            all attempts. configurations: that were held at once. rows: of a refutation, the operations that were open
            where no order went on, the one that returned last.
    """

    linearizable: bool | None
    engine: str
    steps: int
    configurations: int
    rows: tuple[int, ...] = ()


def asks_for_search(model: Model) -> bool:
    """Is there anything that only the order of all operations decides: a FULL, more to fit than may have to, a MISMATCH
    that does not tell the head, or a pending skip of an entry that may be several messages?"""
    capacity = model.history.capacity
    bounded = capacity is not None and (len(model.full) > 0 or most_inside(model) > capacity)
    return bounded or len(model.others) > 0 or len(model.vague) > 0


def search(model: Model, attempts: tuple[Attempt, ...] = ATTEMPTS) -> Bounded:
    """Search for a linearization as a queue of the history's capacity, or an unbounded one where it has none.

    Args:
        model: of a history in which neither NOWHERE nor REPEAT is violated.
        attempts: in order, until one decides.
    """
    removed, first, last, rank = _values(model)
    operations = operations_of(model)
    steps = configurations = 0
    engine = ""
    for attempt in attempts:
        if attempt.in_order and not model.count:
            continue
        engine = attempt.engine
        answer, certificate, stuck, spent, widest = search_queue(
            capacity=operations.capacity,
            action=operations.action,
            value=operations.value,
            size=operations.size,
            invoked=operations.invoked,
            returned=operations.returned,
            before=operations.before,
            cost=operations.cost,
            rank=rank,
            first_seen=first,
            last_seen=last,
            removed=removed,
            unnamed=operations.unnamed.view(np.uint8),
            width=attempt.width,
            widest=attempt.widest,
            ranked=model.count if attempt.in_order else 0,
            steps=max(_FEWEST_STEPS, min(_MOST_STEPS, attempt.steps * len(operations))),
        )
        steps, configurations = steps + spent, max(configurations, widest)
        if answer == _LINEARIZABLE:
            objection = replay(operations, np.frombuffer(certificate, np.int32))
            if objection:
                raise AssertionError(f"the {engine} found an order that is no linearization: {objection}")
            return Bounded(True, engine, steps, configurations)
        if answer == _REFUTED:
            return Bounded(False, engine, steps, configurations, _open_at(operations, stuck))
    return Bounded(None, engine, steps, configurations)


def _values(model: Model) -> tuple[npt.NDArray[np.uint8], Ints, Ints, Small]:
    """Of each value, those of writes that nobody saw last: was it removed, first seen, last seen or taken, rank."""
    heads = heads_of(model)
    first_seen, last_seen = heads.first_ret, heads.last_inv
    del heads
    removed = model.removal_row != NOT
    anybody = int(model.anonymous[0]) if len(model.anonymous) else NEVER
    last = np.where(removed, last_seen, anybody)
    values, begun = model.pending_skips
    np.minimum.at(last, values[~removed[values]], begun[~removed[values]])
    more = len(model.unseen)
    return (
        np.append(removed, np.zeros(more, np.bool_)).view(np.uint8),
        np.append(first_seen, np.full(more, NEVER)),
        np.append(last, np.full(more, anybody)),
        np.append(_rank(model, first_seen, last), np.arange(model.count, model.count + more)).astype(np.int32),
    )


def _open_at(operations: QueueOperations, stuck: int) -> tuple[int, ...]:
    """Rows of the operations that were open when that one returned, which stands last."""
    instant = operations.returned[stuck]
    there = (operations.invoked <= instant) & (operations.returned >= instant)
    there[stuck] = False
    return (*operations.row[there].tolist(), int(operations.row[stuck]))


def _rank(model: Model, first_seen: Ints, last_seen: Ints) -> Small:
    """A guess at the order in which the values went in: by entry id, or about the middle of the times that are left.

    u before v is forced if u was in before v's write began, or was seen at the head before v last was. What comes
    after others neither goes in nor comes out before the latest begin of theirs; what comes before others, not after
    their earliest end. So the middles keep to all that is forced.
    """
    ids = _ids(model)
    if (ids != NO_ID).all():
        order = np.argsort(ids, kind="stable")
    else:
        begin, end = model.write_inv, np.minimum(model.write_ret, first_seen)
        out_begin, out_end = np.maximum(last_seen, begin), first_seen
        by_seen, by_last = np.argsort(first_seen, kind="stable"), np.argsort(last_seen, kind="stable")
        by_begin, by_end = np.argsort(begin, kind="stable"), np.argsort(end, kind="stable")
        earliest = np.maximum(begin, _before_these(first_seen, by_seen, begin, last_seen))
        latest = np.minimum(end, _after_these(last_seen, by_last, end, first_seen))
        out_earliest = np.maximum(out_begin, _before_these(end, by_end, out_begin, begin))
        out_latest = np.minimum(out_end, _after_these(begin, by_begin, out_end, end))
        stays = out_earliest == NEVER
        middle = (
            earliest.astype(np.float64) + latest + np.where(stays, 0.0, out_earliest) + np.where(stays, 0.0, out_latest)
        )
        order = np.lexsort((middle, stays))
    rank = np.empty(model.count, np.int32)
    rank[order] = np.arange(model.count, dtype=np.int32)
    return rank


def _ids(model: Model) -> Ints:
    """The entry id of each value: of its write, or, where that never said it, of its removal."""
    told = model.history.operations["id"]
    ids = np.full(model.count, NO_ID, told.dtype)
    for row in (model.removal_row, model.write_row):
        known = (row != NOT) & (told[np.maximum(row, 0)] != NO_ID)
        ids[known] = told[row[known]]
    return ids


def _before_these(end: Ints, by_end: Ints, time: Ints, begin: Ints) -> Ints:
    """For each value the largest `time` of those whose `end` is before its `begin`."""
    largest = np.append(np.iinfo(np.int64).min, np.maximum.accumulate(time[by_end]))
    return largest[np.searchsorted(end[by_end], begin, side="left")]


def _after_these(begin: Ints, by_begin: Ints, time: Ints, end: Ints) -> Ints:
    """For each value the smallest `time` of those whose `begin` is after its `end`."""
    smallest = np.append(np.minimum.accumulate(time[by_begin][::-1])[::-1], NEVER)
    return smallest[np.searchsorted(begin[by_begin], end, side="right")]


def operations_of(model: Model) -> QueueOperations:
    """What a bounded queue has to explain; the values of writes that nobody saw (`model.unseen`) are numbered last."""
    rows = model.history.operations
    written, removed = model.write_row[model.write_row != NOT], model.removal_row[model.removal_row != NOT]
    unseen, peeks, others, empty, full = model.unseen, model.peeks, model.others, model.empty, model.full
    capacity = model.history.capacity
    skips, skipped_from = model.pending_skips
    takers = without(model.anonymous, model.vague)
    extra = len(skips) + len(takers) + len(model.vague)  # what they removed, if anything, is known by no row

    action = np.full(len(rows) + extra, _NOTHING, np.uint8)
    value = np.full(len(action), NOT, np.int32)
    size = np.zeros(len(action), np.int64)
    invoked = np.concatenate([rows["invoked"], skipped_from, takers, model.vague])
    returned = np.full(len(action), NEVER)
    returned[: len(rows)] = rows["returned"]
    returned[: len(rows)][rows["status"] == Status.PENDING.value] = NEVER
    for said, places, numbers in (
        (Action.WRITE, written, np.flatnonzero(model.write_row != NOT)),
        (Action.REMOVE, removed, np.flatnonzero(model.removal_row != NOT)),
        (Action.WRITE, unseen.row, model.count + np.arange(len(unseen))),
        (Action.PEEK, peeks.row, peeks.value),
        (Action.OTHER, others.row, others.value),
        (Action.REMOVE, len(rows) + np.arange(len(skips)), skips),
    ):
        action[places], value[places] = said, numbers
    action[empty.row], action[len(rows) + len(skips) :] = Action.EMPTY, Action.TAKE
    action[len(action) - len(model.vague) :] = Action.TAKE_UNNAMED
    invoked[empty.row] = empty.inv
    if capacity is not None:
        action[full.row], invoked[full.row], size[full.row] = Action.FULL, full.inv, full.size

    cost = np.concatenate([model.cost, unseen.size])
    chosen = np.flatnonzero(action != _NOTHING)
    if (np.diff(invoked[chosen]) < 0).any():
        chosen = chosen[np.argsort(invoked[chosen], kind="stable")]
    return QueueOperations(
        action=action[chosen],
        value=value[chosen],
        size=size[chosen],
        invoked=invoked[chosen],
        returned=returned[chosen],
        before=_before(model, chosen),
        row=np.where(chosen < len(rows), chosen, NOT).astype(np.int32),
        cost=cost,
        unnamed=model.unnamed,
        capacity=int(cost.sum()) if capacity is None else capacity,
    )


_NOTHING = 255


def _before(model: Model, chosen: Ints) -> Small:
    """The place of the operation before in the same batch: of each of the chosen rows, in their order."""
    rows = model.history.operations
    before = np.full(len(chosen), NOT, np.int32)
    batched = np.flatnonzero(rows["batch"] > 0)
    if not len(batched):
        return before
    place = np.full(int(chosen.max(initial=0)) + len(rows) + 1, NOT, np.int32)
    place[chosen] = np.arange(len(chosen), dtype=np.int32)
    batched = batched[place[batched] != NOT]
    group = rows["worker"][batched].astype(np.int64) << 32 | rows["batch"][batched].astype(np.int64)
    order = np.argsort(group, kind="stable")
    batched, group = batched[order], group[order]
    same = group[1:] == group[:-1]
    before[place[batched[1:][same]]] = place[batched[:-1][same]]
    return before
