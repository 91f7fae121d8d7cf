"""What judges a history under the explorer: the specification of the calls, and an execution's real-time orders."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import _explorer
from harness.explore.litmus import Instruction, LitmusProgram
from harness.operation import NO_ID, Kind, Status

_spec = importlib.util.spec_from_file_location("enumerator", Path(__file__).parents[1] / "litmus" / "enumerator.py")
assert _spec is not None
assert _spec.loader is not None
enumerator = importlib.util.module_from_spec(_spec)
sys.modules["enumerator"] = enumerator
_spec.loader.exec_module(enumerator)

Row = tuple[int, int, int, int, int, int, int, bool, int]


def call(
    kind: Kind,
    status: Status,
    before: int,
    *,
    value: int = 0,
    id: int = NO_ID,
    target: int = NO_ID,
    entries: int = 0,
    bytes: int = 0,
    closed: bool = False,
) -> Row:
    size = bytes if kind is Kind.STATE else 8
    return (kind.value, status.value, value, id, target, size, entries, closed, before)


W1 = call(Kind.WRITE_MANY, Status.OK, 0, value=1, id=0)
W2 = call(Kind.WRITE_MANY, Status.OK, 0b1, value=2, id=16)
SHUT = call(Kind.SHUTDOWN, Status.OK, 0)

RIGHT = {
    "a batch in its order": [
        W1,
        W2,
        call(Kind.READ_MANY, Status.OK, 0, value=1, id=0),
        call(Kind.READ_MANY, Status.OK, 0b100, value=2, id=16),
    ],
    "a write beside the shutdown": [SHUT, call(Kind.WRITE, Status.OK, 0, value=1, id=0)],
    "closed to writers, and drained": [
        W1,
        call(Kind.SHUTDOWN, Status.OK, 0b1),
        call(Kind.WRITE, Status.CLOSED, 0b10, value=3),
        call(Kind.READ, Status.OK, 0b10, value=1, id=0),
        call(Kind.READ, Status.CLOSED, 0b1000),
    ],
    "a second shutdown": [SHUT, call(Kind.SHUTDOWN, Status.OK, 0b1), call(Kind.READ, Status.CLOSED, 0b10)],
    "a pending shutdown that took effect": [
        call(Kind.SHUTDOWN, Status.PENDING, 0),
        call(Kind.TRY_READ, Status.CLOSED, 0),
    ],
    "a pending shutdown that did not": [call(Kind.SHUTDOWN, Status.PENDING, 0), call(Kind.TRY_READ, Status.EMPTY, 0)],
    "state between the messages of a batch": [
        W1,
        W2,
        call(Kind.STATE, Status.OK, 0, id=0, target=16, entries=1, bytes=16),
    ],
    "state of a closed channel": [SHUT, call(Kind.STATE, Status.OK, 0b1, id=0, target=0, closed=True)],
}

WRONG = {
    "a batch read backwards": [
        W1,
        W2,
        call(Kind.READ_MANY, Status.OK, 0, value=2, id=16),
        call(Kind.READ_MANY, Status.OK, 0b100, value=1, id=0),
    ],
    "a write after the shutdown": [SHUT, call(Kind.WRITE, Status.OK, 0b1, value=1, id=0)],
    "closed to a writer without a shutdown": [call(Kind.WRITE, Status.CLOSED, 0, value=1)],
    "closed to a writer before the shutdown": [
        call(Kind.WRITE, Status.CLOSED, 0, value=1),
        call(Kind.SHUTDOWN, Status.OK, 0b1),
    ],
    "closed to a reader beside a message": [
        W1,
        call(Kind.SHUTDOWN, Status.OK, 0b1),
        call(Kind.READ, Status.CLOSED, 0b10),
    ],
    "empty after the shutdown": [SHUT, call(Kind.TRY_READ, Status.EMPTY, 0b1)],
    "a time-out after the shutdown": [SHUT, call(Kind.READ, Status.TIMEOUT, 0b1)],
    "full after the shutdown": [SHUT, call(Kind.TRY_WRITE, Status.FULL, 0b1, value=1)],
    "state with an entry too few": [W1, call(Kind.STATE, Status.OK, 0b1, id=0, target=16, entries=0, bytes=16)],
    "state with bytes too many": [W1, call(Kind.STATE, Status.OK, 0b1, id=0, target=16, entries=1, bytes=32)],
    "state of before, afterwards": [W1, call(Kind.STATE, Status.OK, 0b1, id=0, target=0)],
    "state that is not closed": [SHUT, call(Kind.STATE, Status.OK, 0b1, id=0, target=0)],
    "state that is closed": [W1, call(Kind.STATE, Status.OK, 0b1, id=0, target=16, entries=1, bytes=16, closed=True)],
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_history_that_a_fifo_can_have_is_explained(name: str) -> None:
    assert _explorer.explains(64, RIGHT[name])


@pytest.mark.parametrize("name", WRONG)
def test_a_history_that_no_fifo_has_is_not(name: str) -> None:
    assert not _explorer.explains(64, WRONG[name])


def test_a_history_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 32 calls; got 33"):
        _explorer.explains(64, [SHUT] * 33)


# --- real time -----------------------------------------------------------------------------------------------------


def interleavings(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Which worker goes next, in every way."""
    if not any(lengths):
        yield []
        return
    for worker, length in enumerate(lengths):
        if length:
            rest = [*lengths[:worker], length - 1, *lengths[worker + 1 :]]
            for order in interleavings(rest):
                yield [worker, *order]


def brute_force(program: LitmusProgram, calls: Sequence[Sequence[int]]) -> dict[str, set[tuple[int, ...]]]:
    """Of each graph, the maximal real-time orders among those of all its interleavings."""
    spans = [
        (worker, sum(lengths[:at]), sum(lengths[: at + 1]))
        for worker, lengths in enumerate(calls)
        for at in range(len(lengths))
    ]
    found: dict[str, set[tuple[int, ...]]] = {}
    for order in interleavings([len(worker) for worker in program.workers]):
        events: list[list[enumerator.Event]] = [[] for _ in program.workers]  # type: ignore[name-defined]
        stores: list[list[tuple[int, int]]] = [[] for _ in range(program.locations)]
        times: dict[tuple[int, int], int] = {}
        for time, worker in enumerate(order):
            index = len(events[worker])
            step = program.workers[worker][index]
            times[worker, index] = time
            if step.code == "store":
                events[worker].append(enumerator.Event("W", "relaxed", step.location, step.value))
                stores[step.location].append((worker, index))
            else:
                source = stores[step.location][-1] if stores[step.location] else None
                value = 0 if source is None else events[source[0]][source[1]].value
                events[worker].append(enumerator.Event("R", "relaxed", step.location, value, source))
        text = enumerator.Graph(tuple(map(tuple, events)), tuple(map(tuple, stores))).text()
        before = tuple(
            sum(
                1 << other
                for other, (by, _, end) in enumerate(spans)
                if (by, end) != (worker, stop) and times[by, end - 1] < times[worker, begin]
            )
            for worker, begin, stop in spans
        )
        found.setdefault(text, set()).add(before)
    return {text: strongest(orders) for text, orders in found.items()}


def strongest(orders: set[tuple[int, ...]]) -> set[tuple[int, ...]]:
    return {order for order in orders if maximal(order, orders)}


def maximal(order: tuple[int, ...], orders: set[tuple[int, ...]]) -> bool:
    return not any(
        other != order and all(mine & theirs == mine for mine, theirs in zip(order, other, strict=True))
        for other in orders
    )


@st.composite
def programs_with_calls(draw: st.DrawFn) -> tuple[LitmusProgram, list[list[int]]]:
    """Two or three workers of up to four accesses, and how they fall into calls."""
    locations = draw(st.integers(1, 3))
    workers, calls = [], []
    value = 0
    for _ in range(draw(st.integers(2, 3))):
        lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda lengths: sum(lengths) <= 4))
        steps = []
        for _ in range(sum(lengths)):
            value += 1
            code = draw(st.sampled_from(["load", "store"]))
            steps.append(Instruction(code, draw(st.integers(0, locations - 1)), value))
        workers.append(steps)
        calls.append(lengths)
    return LitmusProgram(locations, workers), calls


@settings(max_examples=40, deadline=None)
@given(programs_with_calls())
def test_the_orders_of_a_graph_are_the_strongest_of_all_its_interleavings(
    drawn: tuple[LitmusProgram, list[list[int]]],
) -> None:
    program, calls = drawn
    found = _explorer.real_time_orders(program.subject(), calls)
    assert len(found) == len({text for text, _ in found})
    assert {text: strongest(set(map(tuple, orders))) for text, orders in found} == brute_force(program, calls)


@pytest.mark.parametrize("limit", [1, 2])
def test_a_call_with_a_limit_goes_round_so_often_and_no_more(limit: int) -> None:
    """Worker 0 stands in its write; worker 1 meets its owner word once a round."""
    stepper = _explorer.Stepper(_explorer.channel(48, [[], []], max_round_trips=limit))
    for worker in (0, 1):
        stepper.start(worker, Kind.TRY_WRITE.value, worker << 40 | 1, 8)
    stepper.step(0)
    stepper.step(0)
    for _ in range(limit):
        assert stepper.in_call(1)
        stepper.step(1)
    assert not stepper.in_call(1)
    statuses = {worker: status for worker, _, _, status, _ in stepper.calls}
    assert statuses == {0: Status.PENDING, 1: Status.RETRY_LIMIT}
