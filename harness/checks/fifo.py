"""Is a history linearizable as a FIFO queue? Exact, in O(n log n), with a witness.

With distinct values, and apart from FULL, the question comes down to a handful of forced orders between values; a
history is linearizable exactly if none of them closes a cycle, and a shortest cycle has two values (after Gibbons &
Korach, *Testing shared memories*, 1997; Henzinger, Sezgin & Vafeiadis, *Aspect-oriented linearizability proofs*, 2013;
Emmi & Enea, *Sound, complete, and tractable linearizability monitoring for concurrent collections*, 2018). Each rule
below is a sort and a sweep. FULL, and a MISMATCH that does not tell the head, are decided soundly only: a violation
reported is one. A search decides what that leaves open, and the verdict says when it could not tell.

Rules: NOWHERE, REPEAT, FRESH, ORDER, HEAD, PEEK AFTER REMOVAL, EMPTY; FULL, OVERFLOW, MISMATCH; CAPACITY, SKIP.

Terms, per value v: write [ei, er]; removal [di, dr] (never: NEVER). m(v): the earliest return of a head operation (peek
or removal) of v; M(v): the latest invocation of one, NEVER if v was not removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.checks.batches import narrow
from harness.checks.bounded import asks_for_search, search
from harness.checks.capacity import capacity_violations
from harness.checks.heads import (
    Heads,
    clip,
    first_head,
    head_rows,
    heads_of,
    last_head,
    peek_after_removal,
    surely_inside,
)
from harness.checks.mismatch import mismatch_violations
from harness.checks.model import ALWAYS, NOT, Ints, Model, model_of
from harness.checks.pending import entangled, generous, leftovers, match_pending, without
from harness.checks.shrink import shrink
from harness.checks.violation import LONGEST_WITNESS, Violation
from harness.history import HEAD_UNTOLD, History
from harness.operation import NO_ID, Kind
from harness.verdict import Outcome, Verdict, Witness
from harness.words import counted

__all__ = ["assertions_of", "check_fifo"]

PROPERTY = "fifo"
_NOT_SHRUNK = ("FULL", "OVERFLOW", "MISMATCH")
"""Whether they hold depends on everything else that was inside."""


def check_fifo(history: History, model: Model | None = None) -> Verdict:
    """Decide whether some order of instants, one inside each operation, makes the history that of a FIFO queue.

    Args:
        history: to judge. model: ``model_of(history)``, where the caller has it already.
    """
    model = model or model_of(history)
    if len(model.vague):
        # they may as well have removed nothing, and that needs no search
        certain = replace(model, anonymous=without(model.anonymous, model.vague), vague=model.vague[:0])
        verdict = _judged(history, certain)
        if verdict.outcome is Outcome.PASS:
            return verdict
    return _judged(history, model)


def _judged(history: History, model: Model) -> Verdict:
    assertions = assertions_of(model)
    violation, guessed = _decided(model)
    if violation is not None and not guessed:
        return _failed(_shrunk(history, violation), assertions)
    reason = f"FIFO linearizable: {counted(model.count, 'value')} and {len(model.empty):,} EMPTY decided exactly"
    if history.capacity is None and len(model.full):
        reason += f"; {len(model.full):,} FULL not judged: the capacity is unknown"
    if violation is None and not asks_for_search(model):
        if len(model.anonymous) and leftovers(model).any():
            reason += f"; {counted(len(model.anonymous), 'pending removal')} matched"
        return Verdict.passed(PROPERTY, reason, assertions)
    found = search(model)
    effort = f"{found.engine}, {counted(found.steps, 'step')}, {counted(found.configurations, 'configuration')} at most"
    if found.linearizable is None:
        return Verdict.inconclusive(
            PROPERTY, f"no violation found; {_open_question(model, guessed)} ({effort})", assertions
        )
    if found.linearizable:
        if history.capacity is not None:
            reason += f", {len(model.full):,} FULL at capacity {history.of_capacity(history.capacity)} too"
        if len(model.others):
            reason += f", {len(model.others):,} MISMATCH without the head too{_nameless(model)}"
        if guessed:
            reason += f"; {counted(len(model.anonymous), 'pending removal')} matched"
        return Verdict.passed(PROPERTY, f"{reason} ({effort}; replayed)", assertions)
    if violation is not None:
        return _failed(_shrunk(history, violation), assertions)
    rows = tuple(row for row in found.rows if row != NOT)[-LONGEST_WITNESS:]
    others_alone = history.capacity is None and not len(model.vague)
    if len(model.others) and (others_alone or search(_without_others(model)).linearizable):
        rule, problem = "MISMATCH", "no order has another message at the head for every skip that says so"
    elif history.capacity is not None:
        rule, problem = "CAPACITY", f"no order fits a queue of capacity {history.of_capacity(history.capacity)}"
    else:
        rule, problem = "SKIP", "no order explains all, whichever message a pending skip of an unknown entry removed"
    sentence = f"{problem}: at the return of the last of these none goes on ({effort})"
    return _failed(Violation(rule, sentence, rows), assertions)


def _failed(violation: Violation, assertions: dict[str, int]) -> Verdict:
    witness = Witness(violation.sentence, violation.rows)
    return Verdict.failed(PROPERTY, violation.rule, witness, assertions)


def _without_others(model: Model) -> Model:
    return replace(model, others=model.others.none())


def _nameless(model: Model) -> str:
    """What could not be asked of a MISMATCH."""
    rows = model.others.row[model.others.value == NOT]
    count = np.count_nonzero(model.history.operations["target"][rows] != NO_ID)
    return f" (of {count:,}, for entries that nobody named, only that something was inside)" if count else ""


def _open_question(model: Model, guessed: bool) -> str:
    questions = ["which messages the pending removals took could not be decided"] if guessed else []
    if len(model.vague):
        skips = f"{counted(len(model.vague), 'pending skip')} of unknown entries"
        questions.append(f"which of several messages the {skips} removed could not be decided")
    if model.history.capacity is not None:
        questions.append(f"{len(model.full):,} FULL and whether all fitted are not fully decided")
    if len(model.others):
        questions.append(f"{len(model.others):,} MISMATCH without the head are not fully decided")
    return "; ".join(questions)


def _decided(model: Model) -> tuple[Violation | None, bool]:
    """The first violation, and whether it may be one only because of what pending removals were taken to have removed.

    Matching them is exact for values that are bound to nothing else, and EMPTY apart.
    """
    violation = next(_violations(model), None)
    if violation is None or not len(model.anonymous) or not (violation.rule == "EMPTY" or entangled(model)):
        return violation, False
    certain = next(_violations(generous(model)), None)
    return (violation, True) if certain is None else (certain, False)


def _shrunk(history: History, violation: Violation) -> Violation:
    """The same violation by fewer operations, which prove it by themselves."""

    def fails(part: History) -> bool:
        # what fits depends on everything else, so that a part is judged as that of an unbounded queue
        told = (part.operations["flags"] & HEAD_UNTOLD) == 0
        model = model_of(replace(part, operations=part.operations[told], capacity=None))
        found, guessed = _decided(model)
        return found is not None and (not guessed or search(model).linearizable is False)

    rows = None if violation.rule in _NOT_SHRUNK else shrink(history, violation.rows, fails)
    return violation if rows is None or len(rows) > LONGEST_WITNESS else replace(violation, rows=rows)


def _violations(model: Model) -> Iterator[Violation]:
    """Broken rules, the plainest first."""
    yield from _nowhere(model)
    yield from _repeat(model)
    matched = match_pending(model)
    yield from _decide(matched)
    yield from capacity_violations(matched)
    yield from mismatch_violations(matched)


def _decide(model: Model) -> Iterator[Violation]:
    heads = heads_of(model)
    yield from peek_after_removal(model, heads)
    clipped = clip(heads)
    if isinstance(clipped, Violation):
        yield clipped
        return
    if len(model.write_order[0]) or len(model.read_order[0]):
        narrowed = narrow(model, clipped)
        if isinstance(narrowed, Violation):
            yield narrowed
            return
        model, clipped = narrowed
    for violation in (*_fresh(model, clipped), *_order(model, clipped), *_empty(model, clipped)):
        yield _with_clippers(heads, clipped, violation)


def _with_clippers(heads: Heads, clipped: Heads, violation: Violation) -> Violation:
    """Add the operations that narrowed those of the violation: without them it is none."""
    cut = clipped.clipper[np.isin(clipped.row, violation.rows)]
    rows = [row for value in np.unique(cut[cut != NOT]).tolist() for row in head_rows(heads, value)]
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


# ---- order


def _fresh(model: Model, heads: Heads) -> Iterator[Violation]:
    for value in np.flatnonzero(heads.first_ret < model.write_inv)[:1].tolist():
        yield Violation(
            "FRESH",
            "a message came out before its write began",
            (*first_head(heads, value), int(model.write_row[value])),
        )


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
    rows = [int(model.write_row[first]), int(model.write_row[second]), *first_head(heads, second)]
    rows += [] if lost else last_head(heads, first)
    sentence = (
        "a message never came out, although one that was written after it did"
        if lost
        else "a message that was written first came out after one that was written later"
    )
    return Violation("ORDER", sentence, tuple(dict.fromkeys(rows)))


# ---- EMPTY


def _empty(model: Model, heads: Heads) -> Iterator[Violation]:
    """EMPTY [i, r] is wrong if values were surely inside all the while: one merged interval has s < i and r < e."""
    if not len(model.empty):
        return
    start, end, value = surely_inside(model, heads)
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
            rows += [int(model.write_row[inside]), *last_head(heads, inside)]
        shown = tuple(dict.fromkeys(rows))[:LONGEST_WITNESS]
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


# ---- what was asserted


def assertions_of(model: Model) -> dict[str, int]:
    """What the decision asserts: one property of one operation is one assertion."""
    kinds = np.ascontiguousarray(model.history.operations["kind"])

    def by_kind(rows: Ints, *names: str) -> dict[str, int]:
        counts = np.bincount(kinds[rows[rows != NOT]], minlength=len(Kind)).tolist()
        return {f"{name} {kind.name.lower()}": counts[kind] for name in names for kind in Kind if counts[kind]}

    removals = np.concatenate([model.removal_row, model.extra_removals])
    bounded = model.history.capacity is not None
    return {
        **by_kind(removals, "removed once by", "came out after it went in, by", "in FIFO order, by"),
        **by_kind(model.peeks.row, "true head seen by"),
        **by_kind(model.others.row, "another head refused"),
        **by_kind(model.empty.row, "truly empty for"),
        **(by_kind(model.full.row, "no room for") if bounded else {}),
        **(by_kind(model.write_row, "room for") if bounded else {}),
    }
