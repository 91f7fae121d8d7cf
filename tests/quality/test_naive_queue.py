"""The worked example: found, shrunk to what the bug needs, and told so that a person can read it."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from examples.naive_queue import OPERATIONS, BoundedQueue, NaiveQueue
from harness.stateful.observation import Call, Counterexample, Observed, ParallelProgram, Raised, is_linearizable
from harness.stateful.parallel import NotLinearizable, check_parallel, find_counterexample, reproduce
from harness.stateful.report import describe

EXPECTED = Path(__file__).with_name("naive_queue.txt")

# with room for two: one item inside and two puts at once; or two gets of one item
NEEDED_OPERATIONS = 3


class LockedQueue(NaiveQueue):
    """The same queue, repaired."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def put(self, item: int) -> None:
        with self._lock:
            super().put(item)

    def get(self) -> int:
        with self._lock:
            return super().get()


class StuckQueue(NaiveQueue):
    """A put of a full queue never returns."""

    def put(self, item: int) -> None:
        try:
            super().put(item)
        except Exception:
            threading.Event().wait(30.0)


def test_the_race_is_found_and_shrunk_to_what_it_needs() -> None:
    found = find_counterexample(NaiveQueue, BoundedQueue(), OPERATIONS)
    assert found is not None
    assert found.program.size <= NEEDED_OPERATIONS
    assert not is_linearizable(BoundedQueue(), found.history)
    again = reproduce(NaiveQueue, BoundedQueue(), found.program, runs=1_000)
    assert again is not None


def test_the_repaired_queue_passes() -> None:
    check_parallel(LockedQueue, BoundedQueue(), OPERATIONS, max_examples=50, tries=10)


def test_a_failure_is_an_assertion_that_tells_everything() -> None:
    with pytest.raises(NotLinearizable) as raised:
        check_parallel(NaiveQueue, BoundedQueue(), OPERATIONS)
    text = str(raised.value)
    parts = ["not linearizable:", "worker 0", "interleaving:", "re-executions", "replay: reproduce("]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    assert re.search(r"\n(failed \d+ of 50|seen once, not again in 50) re-executions\n", text)


def test_the_text_is_the_expected_one() -> None:
    """A fixed history, so that the text can be compared letter by letter."""
    first, second = Call("put", (1,)), Call("put", (2,))
    program = ParallelProgram((Call("put", (0,)),), ((first, Call("get")), (second,)))
    history = (
        Observed(-1, program.prefix[0], None, 0, 1),
        Observed(1, second, None, 2, 4),
        Observed(0, first, None, 3, 5),
        Observed(0, Call("get"), Raised("Empty"), 6, 7),
    )
    assert describe(Counterexample(program, history, 18, 100)) + "\n" == EXPECTED.read_text(encoding="utf-8")


def test_a_call_that_hangs_is_cut_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.stateful.calling.PATIENCE_S", 0.2)
    with pytest.raises(TimeoutError, match=r"worker \d: put\(\d\) did not return") as raised:
        find_counterexample(StuckQueue, BoundedQueue(), OPERATIONS, most_prefix=0, max_examples=500)
    assert "ParallelProgram(" in raised.value.__notes__[0]


@pytest.mark.parametrize(("first", "second"), [((0, 1), (2, 3)), ((0, 3), (1, 2))])
def test_two_puts_in_one_place_are_refused_whatever_overlaps(first: tuple[int, int], second: tuple[int, int]) -> None:
    history = [
        Observed(-1, Call("put", (9,)), None, -2, -1),
        Observed(0, Call("put", (1,)), None, *first),
        Observed(1, Call("put", (2,)), None, *second),
    ]
    assert not is_linearizable(BoundedQueue(), history)


def test_calls_that_overlap_may_take_either_order_and_others_may_not() -> None:
    put, get = Call("put", (1,)), Call("get")
    overlapping = [Observed(0, put, None, 0, 3), Observed(1, get, 1, 1, 2)]
    assert is_linearizable(BoundedQueue(), overlapping)
    apart = [Observed(1, get, 1, 0, 1), Observed(0, put, None, 2, 3)]
    assert not is_linearizable(BoundedQueue(), apart)


@pytest.mark.parametrize("call", [Call("put", (1,)), Call("get")])
def test_what_a_queue_may_not_raise_is_refused(call: Call) -> None:
    assert not is_linearizable(BoundedQueue(), [Observed(0, call, Raised("RuntimeError"), 0, 1)])
