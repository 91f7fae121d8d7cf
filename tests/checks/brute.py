"""The slow decision that the fast one is compared with, and random histories to compare them on.

The decision is a depth-first search for an order of all operations that respects real time and that a plain queue could
have produced; it shares no idea, and no line, with ``harness.checks.fifo``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.history import HEAD_UNTOLD, PENDING_RETURN, History, operation_record
from harness.operation import NO_ID, Kind, Status
from harness.resolve import UNKNOWN_VALUE

__all__ = ["FAMILIES", "corrupted_rows", "linearizable", "linearizable_rows", "mixed"]

Row = np.void


def linearizable(history: History) -> bool:
    """Is there an order of the operations, each at an instant inside its interval, that a FIFO queue allows?

    Knows write, try_write, read, try_read, peek, skip, skip_force; OK, EMPTY, MISMATCH, FULL, TIMEOUT (as EMPTY or FULL
    after the time-out) and PENDING. The rows of a batch happen in the order of the batch.
    """
    rows = list(history.operations)
    return any(_linearizable(rows, meant, history.capacity) for meant in _meanings(rows))


def _meanings(rows: list[Row]) -> Iterator[dict[int, int | None]]:
    """By entry id the value that it may name: as reported, or, for one that is only asked for, any without an id."""
    reported = {int(row["id"]): int(row["value"]) for row in rows if row["id"] != NO_ID}
    wanted = {int(row["target"]) for row in rows if row["target"] != NO_ID} - reported.keys()
    written = [int(row["value"]) for row in rows if Kind(int(row["kind"])).writes]
    nameless = [value for value in written if value not in reported.values()]
    for names in itertools.product([None, *nameless], repeat=len(wanted)):
        told = [name for name in names if name is not None]
        if len(told) == len(set(told)):
            yield reported | dict(zip(wanted, names, strict=True))


def _linearizable(rows: list[Row], meant: dict[int, int | None], capacity: int | None) -> bool:
    invoked = [_begin(row) for row in rows]
    returned = [int(row["returned"]) for row in rows]
    optional = [int(row["status"]) == Status.PENDING for row in rows]
    before = [
        [other for other in range(len(rows)) if returned[other] < invoked[index] or _batched(rows, other, index)]
        for index in range(len(rows))
    ]
    seen: set[tuple[int, tuple[int, ...]]] = set()

    def search(taken: int, queue: tuple[int, ...]) -> bool:
        if all(taken >> index & 1 or optional[index] for index in range(len(rows))):
            return True
        if (taken, queue) in seen:
            return False
        seen.add((taken, queue))
        for index, row in enumerate(rows):
            if taken >> index & 1 or any(not taken >> other & 1 and not optional[other] for other in before[index]):
                continue
            if any(taken >> later & 1 and index in before[later] for later in range(len(rows))):
                continue
            after = _step(queue, row, rows, meant, capacity)
            if after is not None and search(taken | 1 << index, after):
                return True
        return False

    return search(0, ())


def _begin(row: Row) -> int:
    if int(row["status"]) == Status.TIMEOUT:
        return min(int(row["invoked"]) + int(row["timeout"]), int(row["returned"]))
    return int(row["invoked"])


def _batched(rows: list[Row], first: int, second: int) -> bool:
    a, b = rows[first], rows[second]
    same = a["batch"] != 0 and a["batch"] == b["batch"] and a["worker"] == b["worker"]
    return bool(same and first < second)


def _cost(rows: list[Row], value: int) -> int:
    for row in rows:
        if Kind(int(row["kind"])).writes and int(row["value"]) == value:
            return (int(row["size"]) + 8 + 15) // 16 * 16
    return 16


def _step(
    queue: tuple[int, ...], row: Row, rows: list[Row], meant: dict[int, int | None], capacity: int | None
) -> tuple[int, ...] | None:
    """The queue after the operation, or None if it cannot happen now."""
    kind, status, value = Kind(int(row["kind"])), Status(int(row["status"])), int(row["value"])
    used = sum(_cost(rows, entry) for entry in queue)
    if kind.writes:
        fits = capacity is None or used + _cost(rows, value) <= capacity
        if status in (Status.OK, Status.PENDING):
            return (*queue, value) if fits else None
        return queue if capacity is not None and not fits else None
    if status in (Status.EMPTY, Status.TIMEOUT):
        return queue if not queue else None
    if status is Status.PENDING:
        if not queue or not kind.removes:
            return None
        if kind is Kind.SKIP and row["target"] != NO_ID:
            return queue[1:] if queue[0] == meant[int(row["target"])] else None
        anything = kind is not Kind.SKIP or row["value"] == UNKNOWN_VALUE
        return queue[1:] if anything or queue[0] == value else None
    if int(row["flags"]) & HEAD_UNTOLD:
        not_this = value if row["target"] == NO_ID else meant[int(row["target"])]
        return queue if queue and queue[0] != not_this else None
    if not queue or queue[0] != value:
        return None
    return queue if kind is Kind.PEEK or status is Status.MISMATCH else queue[1:]


# ---- random histories


def linearizable_rows(
    generator: np.random.Generator,
    capacity: int | None,
    count: int | None = None,
    pending_share: float = 0.1,
    sizes: Sequence[int] = (8,),
) -> list[Row]:
    """Operations of a queue, each with an interval around its instant; coarse times, so that ties are common."""
    queue: list[int] = []
    costs: list[int] = []  # of all that was written, by value
    written = 0
    rows: list[Row] = []
    for instant in range(count or int(generator.integers(3, 9))):
        begin = 3 * instant - int(generator.integers(0, 7))
        end = 3 * instant + int(generator.integers(0, 7))
        choice = generator.random()
        pending = generator.random() < pending_share
        status = Status.PENDING if pending else Status.OK
        stop = PENDING_RETURN if pending else end
        if choice < 0.45:
            size = sizes[0] if len(sizes) == 1 else int(generator.choice(sizes))
            cost = (size + 8 + 15) // 16 * 16
            if capacity is not None and sum(costs[value] for value in queue) + cost > capacity:
                rows.append(operation_record(Kind.TRY_WRITE, Status.FULL, begin, end, 100 + instant, size=size))
                continue
            happens = not pending or generator.random() < 0.5
            rows.append(operation_record(Kind.WRITE, status, begin, stop, written, size=size))
            costs.append(cost)
            if happens:
                queue.append(written)
            written += 1
        elif not queue:
            rows.append(operation_record(Kind.TRY_READ, Status.EMPTY, begin, end))
        elif choice < 0.85:
            kind = Kind.SKIP_FORCE if choice < 0.55 else Kind.READ
            happens = not pending or generator.random() < 0.5
            value = 0 if pending else queue[0]
            rows.append(operation_record(kind, status, begin, stop, value, size=8))
            if happens:
                queue.pop(0)
        else:
            rows.append(operation_record(Kind.PEEK, Status.OK, begin, end, queue[0], size=8))
    return rows


def _corrupted(generator: np.random.Generator, capacity: int | None) -> list[Row]:
    """A linearizable history with one or two things changed."""
    return corrupted_rows(generator, linearizable_rows(generator, capacity))


def corrupted_rows(generator: np.random.Generator, rows: list[Row]) -> list[Row]:
    """The rows with one or two things changed."""
    for _ in range(int(generator.integers(1, 3))):
        row = rows[int(generator.integers(len(rows)))].copy()
        other = rows[int(generator.integers(len(rows)))]
        index = next(i for i, candidate in enumerate(rows) if candidate == row)
        change = generator.random()
        if change < 0.4 and Kind(int(row["kind"])).writes == Kind(int(other["kind"])).writes:
            row["value"] = other["value"] if not Kind(int(row["kind"])).writes else row["value"]
        elif change < 0.8 and int(row["returned"]) != PENDING_RETURN:
            shift = int(generator.integers(-8, 9))
            row["invoked"] += shift
            row["returned"] += shift
        elif Kind(int(row["kind"])) is Kind.READ and int(row["status"]) == Status.OK:
            row["status"], row["value"] = Status.EMPTY, 0
        rows[index] = row
    return rows


def _sized(generator: np.random.Generator, capacity: int | None) -> list[Row]:
    """Messages of one and of two units, so that it matters which are inside; one or two things changed."""
    return corrupted_rows(generator, linearizable_rows(generator, capacity, sizes=(8, 24)))


def _unstructured(generator: np.random.Generator, capacity: int | None) -> list[Row]:
    """Anything: few values, short times."""
    rows: list[Row] = []
    values = int(generator.integers(1, 4))
    for value in range(values):
        begin = int(generator.integers(0, 8))
        rows.append(
            operation_record(Kind.WRITE, Status.OK, begin, begin + int(generator.integers(0, 5)), value, size=8)
        )
    for _ in range(int(generator.integers(1, 5))):
        begin = int(generator.integers(0, 12))
        end = begin + int(generator.integers(0, 5))
        value = int(generator.integers(0, values))
        kind, status = [
            (Kind.READ, Status.OK),
            (Kind.READ, Status.OK),
            (Kind.PEEK, Status.OK),
            (Kind.TRY_READ, Status.EMPTY),
            (Kind.SKIP, Status.MISMATCH),
            (Kind.READ, Status.PENDING),
        ][int(generator.integers(6))]
        stop = PENDING_RETURN if status is Status.PENDING else end
        rows.append(operation_record(kind, status, begin, stop, value, size=8))
    return rows


def _batched_history(generator: np.random.Generator, capacity: int | None) -> list[Row]:
    """Writes and reads in batches of two or three, some of them the wrong way round."""
    rows: list[Row] = []
    order: list[int] = []
    for batch in range(int(generator.integers(1, 3))):
        begin = int(generator.integers(0, 6))
        end = begin + int(generator.integers(0, 6))
        for value in range(len(order), len(order) + int(generator.integers(1, 4))):
            rows.append(
                operation_record(Kind.WRITE_MANY, Status.OK, begin, end, value, size=8, batch=batch + 1, worker=batch)
            )
            order.append(value)
    if generator.random() < 0.5:
        generator.shuffle(order)
    taken = 0
    batch = 10
    while taken < len(order):
        begin = int(generator.integers(0, 14))
        end = begin + int(generator.integers(0, 6))
        many = int(generator.integers(1, 4))
        for value in order[taken : taken + many]:
            rows.append(operation_record(Kind.READ_MANY, Status.OK, begin, end, value, size=8, batch=batch, worker=9))
        taken += many
        batch += 1
    return rows


def _untold(generator: np.random.Generator, capacity: int | None) -> list[Row]:
    """Writes and reads, and skips that were refused without telling the head, by value or by entry; some are lies."""
    rows = linearizable_rows(generator, capacity) if generator.random() < 0.5 else _corrupted(generator, capacity)
    values = [int(row["value"]) for row in rows if Kind(int(row["kind"])).writes]
    named = bool(generator.integers(2))
    for row in rows:
        if named and Kind(int(row["kind"])).writes and int(row["status"]) != Status.PENDING:
            row["id"] = 16 * (int(row["value"]) + 1)
    for _ in range(int(generator.integers(1, 3))):
        begin = int(generator.integers(-4, 3 * len(rows)))
        meant = int(generator.choice([*values, 999]))
        told = {"value": 0, "target": 16 * (meant + 1)} if named else {"value": meant}
        end = begin + int(generator.integers(0, 7))
        row = operation_record(Kind.SKIP, Status.MISMATCH, begin, end, **told, flags=HEAD_UNTOLD)
        rows.insert(int(generator.integers(len(rows) + 1)), row)
    return rows


def _nameless(generator: np.random.Generator, capacity: int | None) -> list[Row]:
    """Skips that never returned, of entries that may be several messages: few of them have told their ids."""
    rows = linearizable_rows(generator, capacity, pending_share=0.2)
    if generator.random() < 0.5:
        rows = corrupted_rows(generator, rows)
    for row in rows:
        if Kind(int(row["kind"])).writes and int(row["status"]) == Status.OK and generator.random() < 0.4:
            row["id"] = 16 * (int(row["value"]) + 1)
    removals = [i for i, row in enumerate(rows) if Kind(int(row["kind"])).removes and int(row["status"]) == Status.OK]
    for index in generator.permutation(removals)[: int(generator.integers(1, 3))].tolist():
        known = generator.random() < 0.5
        entry = int(rows[index]["value"]) + 1 if known else int(generator.integers(1, 9))
        begin = int(rows[index]["invoked"])
        rows[index] = operation_record(Kind.SKIP, Status.PENDING, begin, PENDING_RETURN, target=16 * entry)
    return rows


def mixed(generator: np.random.Generator, batches: bool, peeks: bool, pending: bool) -> list[Row]:
    """A few writes and reads that may be batches, in random order and at random times, with all that is asked for."""
    span = int(generator.choice([4, 8, 14]))
    count = int(generator.integers(1, 5))
    rows: list[Row] = []
    worker = 0

    def interval(latest: int) -> tuple[int, int]:
        begin = int(generator.integers(0, latest))
        return begin, begin + int(generator.integers(0, span // 2 + 1))

    def size_of_call() -> int:
        return int(generator.integers(2, 4)) if batches and generator.random() < 0.5 else 1

    def call(kinds: tuple[Kind, Kind], values: list[int], status: Status, latest: int) -> None:
        begin, end = interval(latest)
        many = len(values) > 1
        for value in values:
            named = {} if status is Status.PENDING else {"id": 16 * value}
            stop = PENDING_RETURN if status is Status.PENDING else end
            row = operation_record(kinds[many], status, begin, stop, value, size=8, worker=worker, **named)
            row["batch"] = worker if many else 0
            rows.append(row)

    at = 0
    while at < count:
        worker += 1
        values = list(range(count))[at : at + size_of_call()]
        at += len(values)
        status = Status.PENDING if pending and generator.random() < 0.15 else Status.OK
        call((Kind.WRITE, Kind.WRITE_MANY), values, status, span)
    order = list(range(count))
    if generator.random() < 0.3:
        generator.shuffle(order)
    if generator.random() < 0.5:
        order = order[int(generator.integers(0, count + 1)) :]
    while order:
        worker += 1
        values, order = order[: (taken := size_of_call())], order[taken:]
        call((Kind.READ, Kind.READ_MANY), values, Status.OK, span * 3 // 2)
    for _ in range(int(generator.integers(0, 4)) if peeks else 0):
        call((Kind.PEEK, Kind.PEEK), [int(generator.integers(0, count))], Status.OK, span * 3 // 2)
    for _ in range(int(generator.integers(0, 3))):
        begin, end = interval(span * 3 // 2)
        if generator.random() < 0.3:
            timeout = int(generator.integers(0, end - begin + 1))
            rows.append(operation_record(Kind.READ, Status.TIMEOUT, begin, end, timeout=timeout, worker=50))
        else:
            rows.append(operation_record(Kind.TRY_READ, Status.EMPTY, begin, end, worker=51))
    for _ in range(int(generator.integers(0, 3)) if pending else 0):
        begin, _ = interval(span * 3 // 2)
        choice = generator.random()
        if choice < 0.45:
            told: dict[str, int] = {}  # the message meant by its entry, which a pending write does not tell, by value
            if choice < 0.36:
                of = int(generator.integers(0, count + 1))
                told = {"target": 16 * of} if choice < 0.24 else {"value": of}
            rows.append(operation_record(Kind.SKIP, Status.PENDING, begin, PENDING_RETURN, worker=60, **told))
        else:
            rows.append(operation_record(Kind.READ, Status.PENDING, begin, PENDING_RETURN, worker=61))
    return rows


FAMILIES: dict[str, Callable[[np.random.Generator, int | None], list[Row]]] = {
    "linearizable": linearizable_rows,
    "corrupted": _corrupted,
    "unstructured": _unstructured,
    "batched": _batched_history,
    "untold": _untold,
    "sized": _sized,
    "nameless": _nameless,
}
