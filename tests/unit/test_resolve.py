"""Skipped messages are named by what others recorded of their entries."""

from __future__ import annotations

from harness.history import History, operation_record
from harness.operation import Kind, Status
from harness.resolve import UNKNOWN_VALUE, resolve_skips


def values(*rows: object) -> list[int]:
    """Values of the skips, resolved."""
    history = History.of(rows)  # type: ignore[arg-type]
    resolve_skips(history.operations)
    skips = [row for row in history.operations if row["kind"] in (Kind.SKIP, Kind.SKIP_FORCE)]
    return [int(row["value"]) for row in skips]


WRITE = operation_record(Kind.WRITE, Status.OK, 1, 2, 7, id=0, size=24)
FORCE = operation_record(Kind.SKIP_FORCE, Status.OK, 3, 4, id=0)


def test_the_writer_knows() -> None:
    assert values(WRITE, FORCE) == [7]


def test_the_size_comes_with_it() -> None:
    history = History.of([WRITE, FORCE])
    resolve_skips(history.operations)
    assert history.operations["size"].tolist() == [24, 24]


def test_a_mismatch_names_the_head_that_it_saw() -> None:
    other = operation_record(Kind.WRITE, Status.OK, 1, 2, 8, id=32)
    assert values(WRITE, other, operation_record(Kind.SKIP, Status.MISMATCH, 3, 4, id=32, target=0)) == [8]


def test_a_skip_that_is_ok_removed_what_it_was_asked_for() -> None:
    other = operation_record(Kind.WRITE, Status.OK, 1, 2, 8, id=32)
    assert values(WRITE, other, operation_record(Kind.SKIP, Status.OK, 3, 4, id=32, target=0)) == [7]


def test_who_peeked_knows_what_a_killed_writer_wrote() -> None:
    peek = operation_record(Kind.PEEK, Status.OK, 2, 3, 9, id=0)
    assert values(peek, FORCE) == [9]


def test_a_pending_write_that_recorded_its_entry() -> None:
    pending = operation_record(Kind.WRITE, Status.PENDING, 1, 2**63 - 1, 5, id=0)
    assert values(pending, FORCE) == [5]


def test_an_entry_that_a_writer_completed_is_never_a_pending_write_s() -> None:
    """A killed writer's record may hold the entry of a round that was refused, where another wrote then."""
    stale = operation_record(Kind.WRITE, Status.PENDING, 1, 2**63 - 1, 5, id=0)
    assert values(stale, WRITE, FORCE) == [7]


def test_a_pending_write_without_an_entry_is_the_last_resort() -> None:
    pending = operation_record(Kind.WRITE, Status.PENDING, 1, 2**63 - 1, 5)
    assert values(pending, FORCE) == [5]


def test_a_pending_write_that_somebody_read_is_not_skipped_too() -> None:
    pending = operation_record(Kind.WRITE, Status.PENDING, 1, 2**63 - 1, 5)
    read = operation_record(Kind.READ, Status.OK, 2, 3, 5, id=64)
    assert values(pending, read, FORCE) == [UNKNOWN_VALUE]


def test_an_entry_that_nobody_wrote_is_no_message() -> None:
    assert values(FORCE) == [UNKNOWN_VALUE]


def test_a_skip_that_found_nothing_names_nothing() -> None:
    assert values(WRITE, operation_record(Kind.SKIP_FORCE, Status.EMPTY, 3, 4)) == [0]
