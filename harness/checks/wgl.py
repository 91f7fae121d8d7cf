"""Is a history linearizable by any sequential specification? The search of Wing, Gong and Lowe.

Calls and returns stand in one doubly linked list in the order of time, calls first on ties. The search takes the next
call whose step the specification accepts, and unlinks it with its return; meeting a return whose call it did not take,
it goes back (Wing & Gong, *Testing and verifying concurrent objects*, 1993). A configuration, the set of operations
taken and the state, is entered once (Lowe, *Testing for linearizability*, 2017); it is compared exactly. The set is
kept as the first operation not taken and the bits beyond, so that memory grows with concurrency, not with length.

Pending operations have no return: they may be taken at any time after their call, or never.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.checks.specifications.operation import Operation, Specification, SpecificationError
from harness.exchange.calls import Call, Recording
from harness.history import HistoryError
from harness.verdict import Verdict, Witness

__all__ = ["Search", "check_specification", "search"]

PROPERTY = "linearizable"
_ASK_THE_CLOCK = 1024
_SHOWN = 8
_CLAIMING_ERRORS = ("empty", "full", "timeout", "mismatch", "closed")
"""Failures that say something of the state; any other certainly had no effect, and says nothing."""


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        linearizable: None if the budget ran out. order: indices of operations, of the linearization found, or of the
            longest prefix of one. stuck: the operation that no continuation of any prefix could reach. steps: of the
            specification, as many as were tried.
    """

    linearizable: bool | None
    order: tuple[int, ...]
    stuck: int | None
    steps: int


def check_specification(recording: Recording, specification: type[Specification], *, budget: float) -> Verdict:
    """Judge a recording.

    Args:
        recording: to judge. specification: what it should be of. budget: seconds.

    Raises:
        HistoryError: the specification does not know an operation of it.
    """
    model = specification(recording.header.get("capacity"))
    batched = next((call for call in recording.calls if call.fields.get("batch")), None)
    if batched is not None and len(recording.calls) > 1:
        raise HistoryError(
            f"{recording.name}:{batched.line}: batches have an order of their own that only --spec fifo understands"
        )
    relevant = [
        index for index, call in enumerate(recording.calls) if call.type != "fail" or call.error in _CLAIMING_ERRORS
    ]
    assertions: dict[str, int] = {}
    for index in relevant:
        name = f"linearizable {recording.calls[index].f}"
        assertions[name] = assertions.get(name, 0) + 1
    give_up = time.monotonic() + budget
    steps = 0
    undecided = 0
    for part in _partitions(recording, model, relevant):
        operations = [_operation(recording.calls[index]) for index in part]
        intervals = [_interval(recording.calls[index]) for index in part]
        try:
            found = search(model, operations, intervals, give_up=give_up)
        except SpecificationError as error:
            raise HistoryError(f"{recording.name}: {error}") from error
        steps += found.steps
        if found.linearizable is None:
            undecided += 1
        elif not found.linearizable:
            return _failure(recording, part, found, len(operations), assertions)
    name = getattr(specification, "__name__", str(specification))
    if undecided:
        return Verdict.inconclusive(
            PROPERTY, f"the budget of {budget:g} s ran out after {steps:,} steps; no violation of {name} was found", {}
        )
    return Verdict.passed(PROPERTY, f"linearizable as {name}, decided exactly in {steps:,} steps", assertions)


def _partitions(recording: Recording, model: Specification, relevant: list[int]) -> list[list[int]]:
    partition: Callable[[Operation], Hashable] | None = getattr(model, "partition", None)
    if partition is None:
        return [relevant]
    parts: dict[Hashable, list[int]] = {}
    for index in relevant:
        call = recording.calls[index]
        try:
            parts.setdefault(partition(_operation(call)), []).append(index)
        except (SpecificationError, TypeError) as error:
            raise HistoryError(f"{recording.name}:{call.line}: {error}") from error
    return list(parts.values())


def _operation(call: Call) -> Operation:
    pending = call.type == "info"
    result = None if pending else _frozen(call.result)
    return Operation(
        call.f,
        _frozen(call.argument),
        result,
        call.error if not pending else "",
        pending,
        call.process,
        dict(call.fields),
    )


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _interval(call: Call) -> tuple[int, int]:
    begin = call.invoked
    if call.error == "timeout":
        # the last try comes at the deadline
        begin = min(begin + int(call.fields.get("timeout") or 0), call.returned)
    return begin, call.returned


def _failure(recording: Recording, part: list[int], found: Search, count: int, assertions: dict[str, int]) -> Verdict:
    rows = [part[index] for index in found.order[-_SHOWN:]]
    sentence = f"no order of its {count:,} operations is linearizable; the longest prefix has {len(found.order):,}"
    if found.stuck is not None:
        stuck = recording.calls[part[found.stuck]]
        sentence += f", and {stuck.f} in line {stuck.line} cannot follow it"
        rows.append(part[found.stuck])
    witness = Witness(f"STUCK: {sentence}", tuple(rows))
    return Verdict.failed(PROPERTY, "STUCK", witness, assertions)


def search(
    model: Specification,
    operations: Sequence[Operation],
    intervals: Sequence[tuple[int, int]],
    *,
    give_up: float | None = None,
) -> Search:
    """Look for a linearization.

    Args:
        model: the specification. operations, intervals: in parallel; a pending operation's return does not matter.
        give_up: time.monotonic() at which to stop.
    """
    count = len(operations)
    # entries: 0 is the head of the list; calls are 1 .. count, returns count + 1 .. 2 * count
    events = [(begin, 0, 1 + index) for index, (begin, _) in enumerate(intervals)]
    events += [(end, 1, count + 1 + index) for index, (_, end) in enumerate(intervals) if not operations[index].pending]
    events.sort()
    following, previous = [0] * (2 * count + 1), [0] * (2 * count + 1)
    last = 0
    for _, _, entry in events:
        following[last], previous[entry] = entry, last
        last = entry
    following[last], previous[0] = 0, last
    rank = {entry: place for place, entry in enumerate(entry for _, kind, entry in events if kind == 0)}
    must = sum(not operation.pending for operation in operations)

    step = model.step
    key_of: Callable[[Any], Hashable] | None = getattr(model, "hash", None)
    state: Any = model.init()
    base, taken = 0, 0
    seen: set[tuple[int, int, Hashable]] = set()
    path: list[tuple[int, Any, int, int]] = []
    longest: tuple[int, ...] = ()
    stuck: int | None = None
    steps = 0
    entry = following[0]
    while must:
        if entry and entry <= count:
            steps += 1
            if steps % _ASK_THE_CLOCK == 0 and give_up is not None and time.monotonic() > give_up:
                return Search(None, longest, stuck, steps)
            operation = operations[entry - 1]
            after = step(state, operation)
            if after is not None:
                bit = rank[entry] - base
                new_base, new_taken = base, taken | 1 << bit
                ones = (new_taken ^ (new_taken + 1)).bit_length() - 1
                new_base, new_taken = new_base + ones, new_taken >> ones
                key = (new_base, new_taken, after if key_of is None else key_of(after))
                if key not in seen:
                    seen.add(key)
                    path.append((entry, state, base, taken))
                    state, base, taken = after, new_base, new_taken
                    _unlink(following, previous, entry, count, operation.pending)
                    must -= not operation.pending
                    entry = following[0]
                    continue
            entry = following[entry]
            continue
        # a return whose call was not taken, or the end: no call before it can come next
        if len(path) > len(longest) or (stuck is None and not longest):
            longest = tuple(item[0] - 1 for item in path)
            stuck = entry - count - 1 if entry else None
        if not path:
            return Search(False, longest, stuck, steps)
        undone, state, base, taken = path.pop()
        pending = operations[undone - 1].pending
        must += not pending
        _relink(following, previous, undone, count, pending)
        entry = following[undone]
    return Search(True, tuple(item[0] - 1 for item in path), None, steps)


def _unlink(following: list[int], previous: list[int], entry: int, count: int, pending: bool) -> None:
    following[previous[entry]], previous[following[entry]] = following[entry], previous[entry]
    if not pending:
        end = entry + count
        following[previous[end]], previous[following[end]] = following[end], previous[end]


def _relink(following: list[int], previous: list[int], entry: int, count: int, pending: bool) -> None:
    """Exactly in the reverse order of `_unlink`."""
    if not pending:
        end = entry + count
        following[previous[end]] = previous[following[end]] = end
    following[previous[entry]] = previous[following[entry]] = entry
