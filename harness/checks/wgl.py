"""Is a history linearizable by any sequential specification? The search of Wing, Gong and Lowe.

The search itself is native (``harness/native/checks/order_search.hpp``): it knows states and operations as numbers, and
asks the specification, in Python, once for each pair of them.

Pending operations have no return: they may be taken at any time after their call, or never.

What a specification knows beforehand (``forced``: what must come before what) is asked for if a plain search has not
decided after a few steps, or has no room for more states. It spares nearly all others, and would spoil the longest
prefix, for it looks ahead.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness._native import search_order
from harness.checks.forced import narrow
from harness.checks.specifications.operation import (
    Operation,
    Specification,
    SpecificationError,
    StepError,
    asking,
)
from harness.checks.specifications.steps import OutOfRoom, Steps, is_own

__all__ = ["Search", "instants", "search"]

_MOST_WORDS = 1 << 26
"""Words of 8 bytes for the configurations that are remembered, about 1 GB with what finds them; then all are forgotten,
which costs time but no exactness."""
_ALL_STEPS = (1 << 64) - 1
_FEWEST_STEPS = 20_000
_STEPS_EACH = 100
"""So many steps, and so many for each operation, are tried before a specification is asked what it knows beforehand."""
_AGAIN = 8
"""Where the room for states ran out first, this part of those steps is tried again, for the longest prefix."""
_MOST_FORCED = 1 << 20
"""Pairs that are taken of what it knows: any of them are sound."""
_NOBODY = -1

Forced = Callable[[Sequence[Operation], Sequence[tuple[int, int]]], Iterable[tuple[int, int]]]
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        linearizable: None if the time ran out, or the room for states.
        order: indices of operations, of the linearization found, or of the longest prefix that was.
        stuck: the operation that cannot follow any such prefix, before whose return the search had to go back.
        steps: of the specification, as many as were tried.
    """

    linearizable: bool | None
    order: tuple[int, ...]
    stuck: int | None
    steps: int


def instants(invoked: Iterable[int]) -> list[int]:
    """The earliest instants for calls in an order of linearization: none before its own call or its predecessor's.

    They lie inside the calls: an instant is the invocation of some call that stands before, and whoever returned
    before that would have had to stand before it too.
    """
    return list(itertools.accumulate(invoked, max))


def search(
    model: Specification,
    operations: Sequence[Operation],
    intervals: Sequence[tuple[int, int]],
    *,
    batches: Sequence[Sequence[int]] = (),
    give_up: float | None = None,
) -> Search:
    """Look for a linearization.

    Args:
        model: the specification. operations, intervals: in parallel; a pending operation's return does not matter.
        batches: operations that happen in this order, where they happen: each a list of indices.
        give_up: time.monotonic() at which to stop.

    Raises:
        StepError: the specification does not know an operation, or breaks its own rules.
    """
    steps = Steps(model, operations)
    forced = _forced_of(model)
    few = _ALL_STEPS if forced is None else _FEWEST_STEPS + _STEPS_EACH * len(operations)
    question = _Question(operations, intervals, batches, give_up)
    found = question.search(steps, few)
    if forced is not None:
        if found.linearizable is None and (steps.full or found.steps >= few):
            if steps.full:
                steps.ask_again()
                steps = Steps(model, operations)  # the states of the other are let go
                found = question.search(steps, found.steps // _AGAIN)
            found = _with_forced(steps, question, forced, found)
        elif found.linearizable and not is_own(type(model)):
            _keeps_to(_pairs(forced, operations, intervals), found.order)
    steps.ask_again()
    return found


def _forced_of(model: Specification) -> Forced | None:
    """What it knows beforehand; not what a class of the user inherits from one of this program."""
    forced: Forced | None = getattr(model, "forced", None)
    kind = type(model)
    # steps of the user's may be others than those of which it was said
    by = next((one for one in kind.__mro__ if "forced" in vars(one)), kind)
    return None if is_own(by) and not is_own(kind) else forced


def _with_forced(steps: Steps, question: _Question, forced: Forced, plain: Search) -> Search:
    """The same question with what must come before what."""
    pending = [operation.pending for operation in question.operations]
    narrowed = narrow(question.intervals, pending, _pairs(forced, question.operations, question.intervals))
    if narrowed.contradiction is not None:
        stuck = narrowed.contradiction if plain.stuck is None else plain.stuck
        return replace(plain, linearizable=False, stuck=stuck)
    found = replace(question, intervals=narrowed.intervals, needs=narrowed.needs).search(steps, _ALL_STEPS)
    together = replace(found, steps=plain.steps + found.steps)
    if found.linearizable is not False or plain.stuck is None:
        return together
    # a prefix of one that looks ahead ends before what could well follow
    return replace(together, order=plain.order, stuck=plain.stuck)


def _pairs(
    forced: Forced, operations: Sequence[Operation], intervals: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """What a specification says must come before what."""
    places = range(len(operations))
    pairs = []
    with asking("forced"):
        for pair in itertools.islice(forced(operations, intervals), _MOST_FORCED):
            match pair:
                case (int(first), int(second)) if first in places and second in places:
                    pairs.append((first, second))
                case _:
                    raise SpecificationError(f"forced gave {pair!r}; it must give pairs of indices")
    return pairs


def _keeps_to(pairs: Iterable[tuple[int, int]], order: Sequence[int]) -> None:
    """Is an order that was found one of those that the specification said there are? If not, it says too much."""
    place = {index: number for number, index in enumerate(order)}
    for first, second in pairs:
        if second in place and (first == second or place.get(first, len(order)) > place[second]):
            raise StepError(
                "forced says that another comes before this, and step accepts an order without that", second
            )


@dataclass(frozen=True)
class _Question:
    """One search; `needs`: by operation those that must come before, besides what batches say."""

    operations: Sequence[Operation]
    intervals: Sequence[tuple[int, int]]
    batches: Sequence[Sequence[int]]
    give_up: float | None
    needs: Sequence[Sequence[int]] = ()

    def search(self, steps: Steps, most_steps: int) -> Search:
        """Undecided after so many steps, and where the states need too much room: without a prefix, then."""
        count = len(self.operations)
        # calls are 0 .. count - 1, returns count .. 2 * count - 1
        events = [(begin, 0, index) for index, (begin, _) in enumerate(self.intervals)]
        events += [
            (end, 1, count + index)
            for index, (_, end) in enumerate(self.intervals)
            if not self.operations[index].pending
        ]
        events.sort()
        pending = np.fromiter((operation.pending for operation in self.operations), np.uint8, count)
        needs, bars = _order_of_batches(self.batches, pending)
        for index, more in enumerate(self.needs):
            needs.setdefault(index, []).extend(more)
        needs_from, needs_flat = _flat(needs, count)
        bars_from, bars_flat = _flat(bars, count)
        try:
            decided, linearizable, order, stuck, tried = search_order(
                events=np.fromiter((event for _, _, event in events), np.int32, len(events)),
                kinds=np.fromiter(steps.kinds, np.int32, count),
                pending=pending,
                observes=np.fromiter(steps.observes, np.uint8, count),
                needs_from=needs_from,
                needs=needs_flat,
                bars_from=bars_from,
                bars=bars_flat,
                ask=steps.take,
                seconds=math.inf if self.give_up is None else self.give_up - time.monotonic(),
                most_words=_MOST_WORDS,
                most_steps=most_steps,
            )
        except OutOfRoom:
            return Search(None, (), None, steps.asked)
        return Search(
            linearizable if decided else None,
            tuple(np.frombuffer(order, np.int32).tolist()),
            None if stuck == _NOBODY else stuck,
            tried,
        )


def _order_of_batches(
    batches: Sequence[Sequence[int]], pending: npt.NDArray[np.uint8]
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """By operation those of its batch that must come before it, and those that must not."""
    needs: dict[int, list[int]] = {}
    bars: dict[int, list[int]] = {}
    for batch in batches:
        completed: list[int] = []
        for place, index in enumerate(batch):
            if completed:
                needs[index] = completed.copy()
            if pending[index]:
                # it may never happen, so what comes after does not wait for it
                bars[index] = list(batch[place + 1 :])
            else:
                completed = [index]
    return needs, bars


def _flat(lists: dict[int, list[int]], count: int) -> tuple[Numbers, Numbers]:
    """Places in one list, one more than there are operations; and that list."""
    lengths = [len(lists.get(index, ())) for index in range(count)] if lists else [0] * count
    flat = [one for index in sorted(lists) for one in lists[index]]
    return np.cumsum([0, *lengths], dtype=np.int32), np.array(flat, np.int32)
