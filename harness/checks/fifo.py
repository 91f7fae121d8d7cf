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

from harness.checks.model import ALWAYS, NEVER, NOT, Bools, Ints, Model, model_of
from harness.checks.shrink import shrink
from harness.history import History
from harness.operation import Kind
from harness.verdict import Verdict, Witness

__all__ = ["check_fifo"]

PROPERTY = "fifo"
_LONGEST_WITNESS = 12
_BY_CAPACITY = ("FULL", "OVERFLOW")


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
    clipper: Ints  # the value whose time at the head cut this operation; NOT where none did
    unrecorded: Ints  # per value: inv of a removal that stayed pending, NEVER: none, ALWAYS: it was recorded
    first_ret: Ints  # m
    last_inv: Ints  # M


def check_fifo(history: History, model: Model | None = None) -> Verdict:
    """Decide whether some order of instants, one inside each operation, makes the history that of a FIFO queue.

    Args:
        history: to judge. model: ``model_of(history)``, where the caller has it already.
    """
    model = model or model_of(history)
    assertions = _assertions(model)
    violation, guessed = _decided(model)
    if guessed:
        reason = "which messages the pending removals took could not be decided; with any number of them there is no"
        return Verdict.inconclusive(PROPERTY, f"{reason} violation", assertions)
    if violation is not None:
        violation = _shrunk(history, violation)
        witness = Witness(f"{violation.rule}: {violation.sentence}", violation.rows)
        return Verdict.failed(PROPERTY, violation.rule, witness, assertions)
    undecided = len(model.full)
    reason = f"FIFO linearizable: {model.count:,} values and {len(model.empty):,} EMPTY decided exactly"
    if undecided:
        reason += f"; no violation by {undecided:,} FULL, which are decided soundly only"
    if len(model.anonymous) and _leftovers(model).any():
        reason += f"; {len(model.anonymous):,} pending removals matched"
    return Verdict.passed(PROPERTY, reason, assertions)


def _decided(model: Model) -> tuple[Violation | None, bool]:
    """The first violation, and whether it may be one only because of what pending removals were taken to have removed.

    Matching them is exact for values that are bound to nothing else, and EMPTY apart.
    """
    violation = next(_violations(model), None)
    if violation is None or not len(model.anonymous) or not (violation.rule == "EMPTY" or _entangled(model)):
        return violation, False
    certain = next(_violations(_generous(model)), None)
    return (violation, True) if certain is None else (certain, False)


def _entangled(model: Model) -> bool:
    """Is a value that was left seen at the head, meant by a pending skip, or part of a batch?"""
    left = _leftovers(model)
    others = (model.peeks.value, model.pending_skips[0], model.write_order[1])
    return any(bool(left[value].any()) for value in others)


def _shrunk(history: History, violation: Violation) -> Violation:
    """The same violation by fewer operations, which prove it by themselves."""

    def fails(part: History) -> bool:
        found, guessed = _decided(model_of(part))
        return found is not None and not guessed and found.rule not in _BY_CAPACITY

    # without the other messages there is no telling what fits
    rows = None if violation.rule in _BY_CAPACITY else shrink(history, violation.rows, fails)
    return violation if rows is None or len(rows) > _LONGEST_WITNESS else replace(violation, rows=rows)


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
    if len(model.write_order[0]) or len(model.read_order[0]):
        narrowed = _narrow(model, clipped)
        if isinstance(narrowed, Violation):
            yield narrowed
            return
        model, clipped = narrowed
    for violation in (*_fresh(model, clipped), *_order(model, clipped), *_empty(model, clipped)):
        yield _with_clippers(heads, clipped, violation)


def _with_clippers(heads: Heads, clipped: Heads, violation: Violation) -> Violation:
    """Add the operations that narrowed those of the violation: without them it is none."""
    cut = clipped.clipper[np.isin(clipped.row, violation.rows)]
    rows = [row for value in np.unique(cut[cut != NOT]).tolist() for row in _head_rows(heads, value)]
    return replace(violation, rows=tuple(dict.fromkeys([*violation.rows, *rows])))


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
    deadline = _deadlines(model, heads)
    must = left[deadline[left] != NEVER]
    order = np.lexsort((np.minimum(model.write_ret, heads.first_ret)[must], deadline[must]))
    for value, inv in zip(must[order].tolist(), model.anonymous.tolist(), strict=False):
        removal_inv[value] = inv
    return replace(model, removal_inv=removal_inv)


def _generous(model: Model) -> Model:
    """Every value that is left may have been removed from the first pending removal on: more than can have happened."""
    left = _leftovers(model)
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
    peeked = np.flatnonzero(_leftovers(model) & (heads.first_ret != NEVER))
    for value in peeked[np.argsort(heads.first_ret[peeked])][: len(model.anonymous) + 2].tolist():
        others = (heads.value != value) & (heads.inv > heads.first_ret[value])
        deadline[value] = min(int(deadline[value]), int(heads.ret[others].min(initial=NEVER)))
    return deadline


# ---- the head


def _heads(model: Model) -> Heads:
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
    np.minimum.at(first_ret, value, ret)
    last_inv = unrecorded.copy()
    np.maximum.at(last_inv, value, inv)
    return Heads(value, inv, ret, row, clipper, unrecorded, first_ret, last_inv)


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
    clipper = np.where(begins, spans[begin_span], np.where(ends, spans[end_span], NOT))
    clipped = _bounded(heads.unrecorded, heads.value, inv, ret, heads.row, clipper)
    return _overlap(clipped, _spans(clipped)) or clipped


# ---- order


def _fresh(model: Model, heads: Heads) -> Iterator[Violation]:
    for value in np.flatnonzero(heads.first_ret < model.write_inv)[:1].tolist():
        yield Violation(
            "FRESH",
            "a message came out before its write began",
            (*_first_head(heads, value), int(model.write_row[value])),
        )


def _first_head(heads: Heads, value: int) -> list[int]:
    """The operation that says how early a value was at the head; none where only its batch says so."""
    mine = np.flatnonzero(heads.value == value)
    return [int(heads.row[mine[np.argmin(heads.ret[mine])]])] if len(mine) else []


def _last_head(heads: Heads, value: int) -> list[int]:
    """The operation that says how late a value was still there; none for a value that never came out."""
    mine = np.flatnonzero(heads.value == value)
    return [int(heads.row[mine[np.argmax(heads.inv[mine])]])] if len(mine) else []


def _order(model: Model, heads: Heads) -> Iterator[Violation]:
    """a was in before b, yet b was out before a: er(a) < ei(b) and m(b) < M(a)."""
    by_ret = np.argsort(model.write_ret, kind="stable")
    latest = np.maximum.accumulate(heads.last_inv[by_ret]) if len(by_ret) else by_ret
    before = np.searchsorted(model.write_ret[by_ret], model.write_inv, side="left")
    best = np.where(before > 0, latest[np.maximum(before - 1, 0)], ALWAYS) if len(by_ret) else model.write_inv
    for second in np.flatnonzero(best > heads.first_ret)[:1].tolist():
        earlier = by_ret[: before[second]]
        first = int(earlier[np.argmax(heads.last_inv[earlier])])
        yield _out_of_order(model, heads, first, second)


def _out_of_order(model: Model, heads: Heads, first: int, second: int) -> Violation:
    lost = model.removal_row[first] == NOT
    rows = [int(model.write_row[first]), int(model.write_row[second]), *_first_head(heads, second)]
    rows += [] if lost else _last_head(heads, first)
    sentence = (
        "a message never came out, although one that was written after it did"
        if lost
        else "a message that was written first came out after one that was written later"
    )
    return Violation("ORDER", sentence, tuple(dict.fromkeys(rows)))


def _narrow(model: Model, heads: Heads) -> tuple[Model, Heads] | Violation:
    """Carry bounds along the order within batches: the messages of one call share an interval, but have an order.

    If u comes before v in a batch, then u's write and all that met u at the head come before v's. So u's latest
    times are at most v's, and v's earliest at least u's; until nothing changes.
    """
    write_inv, write_ret = model.write_inv.copy(), model.write_ret.copy()
    first_ret, last_inv, gone = heads.first_ret.copy(), heads.last_inv.copy(), model.removal_ret.copy()
    pairs = [_neighbours(*model.write_order), _neighbours(*model.read_order)]
    before, after = (np.concatenate(side) for side in zip(*pairs, strict=True))
    for _ in range(2 * len(before) + 2):
        old = [times.copy() for times in (write_inv, write_ret, first_ret, last_inv, gone)]
        np.maximum.at(write_inv, after, write_inv[before])
        np.maximum.at(last_inv, after, last_inv[before])
        np.minimum.at(write_ret, before, write_ret[after])
        np.minimum.at(gone, before, first_ret[after])
        np.minimum.at(first_ret, before, first_ret[after])
        impossible = np.flatnonzero((write_inv > write_ret) | (last_inv > gone) & (gone != NEVER))
        if len(impossible):
            return _batch_violation(model, heads, int(impossible[0]))
        now = (write_inv, write_ret, first_ret, last_inv, gone)
        if all((was == is_).all() for was, is_ in zip(old, now, strict=True)):
            break
    looped = _on_a_cycle(model, before, after)
    if looped != NOT:
        return _batch_violation(model, heads, looped)
    narrowed = replace(model, write_inv=write_inv, write_ret=write_ret, removal_ret=gone)
    return narrowed, replace(heads, first_ret=first_ret, last_inv=last_inv)


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
    shown = shown[: _LONGEST_WITNESS // 2]
    rows = [int(model.write_row[inside]) for inside in shown]
    rows += [row for inside in shown for row in _last_head(heads, inside)]
    sentence = "messages of one batch came out in another order than they went in"
    return Violation("ORDER", sentence, tuple(dict.fromkeys(rows)))


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
    if len(model.anonymous):  # each may have taken any value that is left, so none is surely inside from then on
        model = _generous(model)
    start, end, value = _sure(model, _heads(model))
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
    unseen = model.unseen
    times = np.concatenate([model.write_inv[written], unseen.inv, model.removal_ret[written]])
    change = np.concatenate([model.cost[written], unseen.size, -model.cost[written]])
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
