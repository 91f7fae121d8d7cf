"""Is a history linearizable as a FIFO queue? Exact, in O(n log n), with a witness.

With distinct values, and apart from FULL, the question comes down to a handful of forced orders between values; a
history is linearizable exactly if none of them closes a cycle, and a shortest cycle has two values (after Gibbons &
Korach, *Testing shared memories*, 1997; Henzinger, Sezgin & Vafeiadis, *Aspect-oriented linearizability proofs*, 2013;
Emmi & Enea, *Sound, complete, and tractable linearizability monitoring for concurrent collections*, 2018). Each rule
below is a sort and a sweep. FULL is decided soundly only: a violation reported is one, and the verdict says when it
could not tell.

Rules: NOWHERE, REPEAT, FRESH, ORDER, HEAD, PEEK AFTER REMOVAL, EMPTY; FULL, OVERFLOW.

Terms, per value v: write [ei, er]; removal [di, dr] (never: NEVER). m(v): the earliest return of a head operation (peek
or removal) of v; M(v): the latest invocation of one, NEVER if v was not removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from harness.checks.model import NEVER, NOT, Bools, Ints, Model, model_of
from harness.history import History
from harness.operation import Kind
from harness.verdict import Verdict, Witness

__all__ = ["check_fifo"]

PROPERTY = "fifo"
_LONGEST_WITNESS = 12


@dataclass(frozen=True)
class Violation:
    """A broken rule and the history rows that prove it."""

    rule: str
    sentence: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Heads:
    """All operations that met a value at the head, clipped, with m and M per value."""

    value: Ints
    inv: Ints
    ret: Ints
    row: Ints
    unrecorded: Ints  # per value: inv of a removal that stayed pending, NEVER if there is none, -1 if one was recorded
    first_ret: Ints  # m
    last_inv: Ints  # M


def check_fifo(history: History, model: Model | None = None) -> Verdict:
    """Decide whether some order of instants, one inside each operation, makes the history that of a FIFO queue.

    Args:
        history: to judge. model: ``model_of(history)``, where the caller has it already.
    """
    model = model or model_of(history)
    assertions = _assertions(model)
    violation = next(_violations(model), None)
    if violation is not None:
        witness = Witness(f"{violation.rule}: {violation.sentence}", violation.rows)
        return Verdict.failed(PROPERTY, violation.rule, witness, assertions)
    undecided = len(model.full)
    reason = f"FIFO linearizable: {model.count:,} values and {len(model.empty):,} EMPTY decided exactly"
    if undecided:
        reason += f"; no violation by {undecided:,} FULL, which are decided soundly only"
    if len(model.anonymous) and _leftovers(model).any():
        reason += f"; {len(model.anonymous):,} pending removals matched"
    return Verdict.passed(PROPERTY, reason, assertions)


def _violations(model: Model) -> Iterator[Violation]:
    """Broken rules, the plainest first."""
    yield from _nowhere(model)
    yield from _repeat(model)
    matched = _match_pending(model)
    yield from _decide(matched)
    yield from _capacity(matched)


def _decide(model: Model) -> Iterator[Violation]:
    heads = _heads(model)
    yield from _peek_after_removal(model, heads)
    clipped = _clip(heads)
    if isinstance(clipped, Violation):
        yield clipped
        return
    yield from _fresh(model, clipped)
    yield from _order(model, clipped)
    yield from _batches(model, clipped)
    yield from _empty(model, clipped)


# ---- what came from nowhere, or twice


def _nowhere(model: Model) -> Iterator[Violation]:
    for value in np.flatnonzero(model.write_row == NOT)[:1]:
        rows = [int(row) for row in (model.removal_row[value],) if row != NOT]
        rows += model.peeks.row[model.peeks.value == value][:1].tolist()
        yield Violation("NOWHERE", "a message came out that nobody wrote", tuple(rows[:1]))


def _repeat(model: Model) -> Iterator[Violation]:
    for row in model.extra_removals[:1].tolist():
        value = int(np.flatnonzero(model.removal_row == _first_of_same(model, row))[0])
        rows = (int(model.write_row[value]), int(model.removal_row[value]), row)
        yield Violation("REPEAT", "one message was removed twice", tuple(r for r in rows if r != NOT))


def _first_of_same(model: Model, row: int) -> int:
    """The first removal of the value that `row` removed again."""
    rows = model.history.operations
    candidates = model.removal_row[model.removal_row != NOT]
    return int(candidates[rows["value"][candidates] == rows["value"][row]][0])


# ---- pending removals


def _leftovers(model: Model) -> Bools:
    left: Bools = (model.removal_row == NOT) & (model.write_row != NOT)
    return left


def _match_pending(model: Model) -> Model:
    """Give values that must have been removed, but by nobody known, to the pending removals.

    A value must be gone by its deadline: before a later value comes out, or before the channel is found empty. Earliest
    deadline with earliest pending removal (an exchange argument): if this matching fails, every matching does.
    """
    left = np.flatnonzero(_leftovers(model))
    if not len(left) or not (len(model.anonymous) or len(model.pending_skips[0])):
        return model
    removal_inv = model.removal_inv.copy()
    values, begun = model.pending_skips
    for value, inv in zip(values.tolist(), begun.tolist(), strict=True):
        if model.removal_row[value] == NOT:
            removal_inv[value] = min(int(removal_inv[value]), inv)
    left = left[removal_inv[left] == NEVER]
    heads = _heads(model)
    deadline = _deadlines(model, heads)[left]
    must = left[deadline != NEVER]
    order = np.lexsort((np.minimum(model.write_ret, heads.first_ret)[must], _deadlines(model, heads)[must]))
    for value, inv in zip(must[order].tolist(), model.anonymous.tolist(), strict=False):
        removal_inv[value] = inv
    return replace(model, removal_inv=removal_inv)


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
    return deadline


# ---- the head


def _heads(model: Model) -> Heads:
    removed = np.flatnonzero(model.removal_row != NOT)
    value = np.concatenate([removed, model.peeks.value])
    inv = np.concatenate([model.removal_inv[removed], model.peeks.inv])
    ret = np.concatenate([model.removal_ret[removed], model.peeks.ret])
    row = np.concatenate([model.removal_row[removed], model.peeks.row])
    # a removal that nobody recorded is no operation of its own, but comes at its inv at the earliest
    unrecorded = np.where(model.removal_row == NOT, model.removal_inv, -1)
    return _bounded(unrecorded, value, inv, ret, row)


def _with_bounds_of(heads: Heads, inv: Ints, ret: Ints) -> Heads:
    """The same operations with other intervals."""
    return _bounded(heads.unrecorded, heads.value, inv, ret, heads.row)


def _bounded(unrecorded: Ints, value: Ints, inv: Ints, ret: Ints, row: Ints) -> Heads:
    first_ret = np.full(len(unrecorded), NEVER, np.int64)
    np.minimum.at(first_ret, value, ret)
    last_inv = unrecorded.copy()
    np.maximum.at(last_inv, value, inv)
    return Heads(value, inv, ret, row, unrecorded, first_ret, last_inv)


def _peek_after_removal(model: Model, heads: Heads) -> Iterator[Violation]:
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
    rows = (*_head_rows(heads, earlier), *_head_rows(heads, later))
    return Violation("HEAD", "two messages were at the head at the same time", rows)


def _head_rows(heads: Heads, value: int) -> list[int]:
    """The operations that prove when a value was the head: the first to return and the last to begin."""
    mine = np.flatnonzero(heads.value == value)
    first, last = mine[np.argmin(heads.ret[mine])], mine[np.argmax(heads.inv[mine])]
    return sorted({int(heads.row[first]), int(heads.row[last])})


def _clip(heads: Heads) -> Heads | Violation:
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
        rows = [int(heads.row[index]), *(row for clipper in clippers for row in _head_rows(heads, clipper))]
        sentence = "a message was at the head while another one surely was"
        return Violation("HEAD", sentence, tuple(dict.fromkeys(rows)))
    clipped = _with_bounds_of(heads, inv, ret)
    return _overlap(clipped, _spans(clipped)) or clipped


# ---- order


def _fresh(model: Model, heads: Heads) -> Iterator[Violation]:
    for value in np.flatnonzero(heads.first_ret < model.write_inv)[:1].tolist():
        yield Violation(
            "FRESH",
            "a message came out before its write began",
            (_first_head(heads, value), int(model.write_row[value])),
        )


def _first_head(heads: Heads, value: int) -> int:
    mine = np.flatnonzero(heads.value == value)
    return int(heads.row[mine[np.argmin(heads.ret[mine])]])


def _last_head(heads: Heads, value: int) -> list[int]:
    """The operation that says how late a value was still there; none for a value that never came out."""
    mine = np.flatnonzero(heads.value == value)
    return [int(heads.row[mine[np.argmax(heads.inv[mine])]])] if len(mine) else []


def _order(model: Model, heads: Heads) -> Iterator[Violation]:
    """a was in before b, yet b was out before a: er(a) < ei(b) and m(b) < M(a)."""
    by_ret = np.argsort(model.write_ret, kind="stable")
    latest = np.maximum.accumulate(heads.last_inv[by_ret]) if len(by_ret) else by_ret
    before = np.searchsorted(model.write_ret[by_ret], model.write_inv, side="left")
    best = np.where(before > 0, latest[np.maximum(before - 1, 0)], -1) if len(by_ret) else model.write_inv
    for second in np.flatnonzero(best > heads.first_ret)[:1].tolist():
        earlier = by_ret[: before[second]]
        first = int(earlier[np.argmax(heads.last_inv[earlier])])
        yield _out_of_order(model, heads, first, second)


def _out_of_order(model: Model, heads: Heads, first: int, second: int) -> Violation:
    lost = model.removal_row[first] == NOT
    rows = [int(model.write_row[first]), int(model.write_row[second]), _first_head(heads, second)]
    rows += [] if lost else _last_head(heads, first)
    sentence = (
        "a message never came out, although one that was written after it did"
        if lost
        else "a message that was written first came out after one that was written later"
    )
    return Violation("ORDER", sentence, tuple(dict.fromkeys(rows)))


def _batches(model: Model, heads: Heads) -> Iterator[Violation]:
    """The messages of one call have an order among themselves, though they share an interval."""
    group, value = model.write_order
    for first, second in _descents(group, heads.last_inv[value], heads.first_ret[value]):
        yield _out_of_order(model, heads, int(value[first]), int(value[second]))
    group, value = model.read_order
    for first, second in _descents(group, model.write_inv[value], model.write_ret[value]):
        yield _out_of_order(model, heads, int(value[second]), int(value[first]))
    # both in one batch of a writer and in one of a reader, the other way round
    write_group, write_value = model.write_order
    of_write = np.full(model.count, NOT, np.int64)
    place = np.full(model.count, NOT, np.int64)
    of_write[write_value], place[write_value] = write_group, np.arange(len(write_value))
    same = (group[1:] == group[:-1]) & (of_write[value[1:]] == of_write[value[:-1]]) & (of_write[value[1:]] != NOT)
    for index in np.flatnonzero(same & (place[value[1:]] < place[value[:-1]]))[:1].tolist():
        yield _out_of_order(model, heads, int(value[index + 1]), int(value[index]))


def _descents(group: Ints, bound: Ints, time: Ints) -> Iterator[tuple[int, int]]:
    """The first pair i < j of one group with bound[i] > time[j]."""
    if not len(group):
        return
    starts = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    number = np.cumsum(np.append(True, group[1:] != group[:-1])) - 1
    for index in range(1, int(np.diff(np.append(starts, len(group))).max())):
        # at the index-th place of every group at once; a batch has a few dozen messages at most
        j = starts + index
        j = j[(j < len(group))]
        j = j[number[j] == number[j - index]]
        running = np.full(len(j), -1, np.int64)
        which = np.zeros(len(j), np.int64)
        for back in range(1, index + 1):
            larger = bound[j - back] > running
            running = np.where(larger, bound[j - back], running)
            which = np.where(larger, j - back, which)
        for found in np.flatnonzero(running > time[j])[:1].tolist():
            yield int(which[found]), int(j[found])
            return


# ---- EMPTY


def _sure(model: Model, heads: Heads) -> tuple[Ints, Ints, Ints]:
    """Open intervals in which a value was surely inside, by start: (start, end, value)."""
    start, end = np.minimum(model.write_ret, heads.first_ret), heads.last_inv
    some = np.flatnonzero((start < end) & (model.write_row != NOT))
    some = some[np.argsort(start[some], kind="stable")]
    return start[some], end[some], some


def _empty(model: Model, heads: Heads) -> Iterator[Violation]:
    """EMPTY [i, r] is wrong if values were surely inside all the while: one merged interval has s < i and r < e."""
    if not len(model.empty):
        return
    start, end, value = _sure(model, heads)
    if not len(start):
        return
    reach = np.maximum.accumulate(end)
    # merged strictly: touching intervals leave an instant between them free
    opens = np.append(True, start[1:] >= reach[:-1])
    first = np.flatnonzero(opens)
    last = np.append(first[1:] - 1, len(start) - 1)
    place = np.searchsorted(start[first], model.empty.inv, side="left") - 1
    covered = (place >= 0) & (model.empty.ret < reach[last][np.maximum(place, 0)])
    for index in np.flatnonzero(covered)[:1].tolist():
        begin, until = int(model.empty.inv[index]), int(model.empty.ret[index])
        low, high = first[place[index]], last[place[index]] + 1
        chain = _cover(start[low:high], end[low:high], value[low:high], begin, until)
        rows = [int(model.empty.row[index])]
        for inside in chain:
            rows += [int(model.write_row[inside]), *_last_head(heads, inside)]
        shown = tuple(dict.fromkeys(rows))[:_LONGEST_WITNESS]
        how = "a message was" if len(chain) == 1 else f"one of {len(chain)} messages was"
        yield Violation("EMPTY", f"the channel was said to be empty while {how} surely inside", shown)


def _cover(start: Ints, end: Ints, value: Ints, begin: int, until: int) -> list[int]:
    """The fewest values whose sure intervals cover [begin, until]: always the one that reaches farthest."""
    chain: list[int] = []
    point = begin
    while True:
        candidates = np.flatnonzero(start < point)
        best = int(candidates[np.argmax(end[candidates])])
        chain.append(int(value[best]))
        if end[best] > until or end[best] <= point:
            return chain
        point = int(end[best])


# ---- FULL


def _capacity(model: Model) -> Iterator[Violation]:
    """Sound only: what may have been inside left room for a message said not to fit; what surely was did not fit."""
    capacity = model.history.capacity
    if capacity is None or not model.count:
        return
    heads = _heads(model)
    start, end, value = _sure(model, heads)
    times = np.concatenate([start, end])
    change = np.concatenate([model.cost[value], -model.cost[value]])
    # an open interval: at one instant, first out, then in
    order = np.lexsort((np.sign(change), times))
    inside = np.cumsum(change[order])
    for index in np.flatnonzero(inside > capacity)[:1].tolist():
        instant = int(times[order[index]])
        there = value[(start <= instant) & (instant < end)]
        rows = tuple(int(row) for row in model.write_row[there][:_LONGEST_WITNESS])
        sentence = f"{int(inside[index])} accounted bytes were surely inside at once; the capacity is {capacity}"
        yield Violation("OVERFLOW", sentence, rows)
    if not len(model.full):
        return
    written = np.flatnonzero(model.write_row != NOT)
    times = np.concatenate([model.write_inv[written], model.removal_ret[written]])
    change = np.concatenate([model.cost[written], -model.cost[written]])
    # a closed interval: at one instant, first in, then out
    order = np.lexsort((-np.sign(change), times))
    times, inside = times[order], np.cumsum(change[order])
    begin = np.searchsorted(times, model.full.inv, side="left") - 1
    until = np.searchsorted(times, model.full.ret, side="right")
    highest = _window_maximum(np.append(0, inside), begin + 1, until)
    for index in np.flatnonzero(highest + model.full.size <= capacity)[:1].tolist():
        sentence = (
            f"a message of {int(model.full.size[index])} accounted bytes was said not to fit, but at no instant could "
            f"more than {int(highest[index])} of {capacity} have been taken"
        )
        yield Violation("FULL", sentence, (int(model.full.row[index]),))


def _window_maximum(values: Ints, low: Ints, high: Ints) -> Ints:
    """max(values[low .. high]), both ends included, for many windows: a sparse table over blocks would be faster, but
    FULL is rare and its windows are short."""
    return np.array([values[a : b + 1].max() for a, b in zip(low.tolist(), high.tolist(), strict=True)], dtype=np.int64)


# ---- what was asserted


def _assertions(model: Model) -> dict[str, int]:
    """One property of one operation is one assertion."""
    kinds = model.history.operations["kind"]

    def by_kind(prefix: str, rows: Ints) -> dict[str, int]:
        counted = Counter(kinds[rows[rows != NOT]].tolist())
        return {f"{prefix} {Kind(kind).name.lower()}": count for kind, count in counted.items()}

    removal_rows = np.concatenate([model.removal_row, model.extra_removals])
    return {
        **by_kind("removed once by", removal_rows),
        **by_kind("came out after it went in, by", removal_rows),
        **by_kind("in FIFO order, by", removal_rows),
        **by_kind("true head seen by", model.peeks.row),
        **by_kind("truly empty for", model.empty.row),
        **(by_kind("no room for", model.full.row) if model.history.capacity is not None else {}),
        **(by_kind("room for", model.write_row) if model.history.capacity is not None else {}),
    }
