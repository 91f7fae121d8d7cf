"""Interleavings as Hypothesis data: a state machine whose rules are the scheduler of the simulated core.

The rules begin a call on a worker, let a worker make its next steps, let it read an older store, let time pass for it,
and kill it. So the whole interleaving is what Hypothesis draws, and what it replays from its example database.

What fails is plain data. It is shrunk as such (docs/decisions/0011-sequences-are-shrunk-as-data.md), at a hundredth of
what a drawn example costs, until no move can be left out or be plainer; and then the schedule of the calls that are
left is minimised natively (docs/decisions/0010-minimal-schedules.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from harness import _explorer
from harness.explore import Cost
from harness.explore.subject import subject_of
from harness.explore.trace import lanes
from harness.operation import Kind
from harness.stateful.execution import (
    CALLS,
    CUT,
    FOR_A_MESSAGE,
    FOR_ROOM,
    MORE_CALLS,
    Drawn,
    Execution,
    Found,
    Move,
    NotAsGuaranteed,
    Setting,
    perform,
)
from harness.stateful.reduce import cuts, reduced

__all__ = ["InterleavingMachine", "find_interleaving", "interleaving_machine", "run_interleavings"]

STEP_COUNT = 16
"""Rules of one example."""

_LONGEST_TURN = 12  # steps, of one that does not finish the call; a call has about twice as many
_OLDEST = 3  # stores that a stale read goes back, at most
_LATER = 3  # reads that could have been stale and are not, before one that is


def _of(values: Callable[[InterleavingMachine], Sequence[Any]]) -> st.SearchStrategy[Any]:
    """One of what the machine that is running has; the first is the simplest."""
    return st.runner().flatmap(lambda machine: st.sampled_from(values(machine)))


def _worker(can: Callable[[Execution], list[int]]) -> st.SearchStrategy[int]:
    """One of the workers that can do something."""
    return _of(lambda machine: can(machine.run))  # type: ignore[arg-type]  # its rules' preconditions say that it runs


_idle = _of(lambda machine: machine.idle())
_kinds = _of(lambda machine: [kind for kind in machine.kinds if machine.run is None or machine.run.may_start(kind)])


@dataclass(frozen=True)
class Swarm:
    """What one example is of: few kinds of calls, by few workers, and not always as many as there may be.

    Some bugs need many calls of one kind, and none of the others (Groce et al., Swarm Testing, ISSTA 2012). Which rules
    there are, Hypothesis draws in the same way.
    """

    capacity: int
    workers: int
    kinds: tuple[Kind, ...]
    calls: int


@st.composite
def _swarms(draw: st.DrawFn, setting: Setting) -> Swarm:
    workers = draw(st.integers(min(2, setting.workers), setting.workers))
    kinds = st.sampled_from((*setting.kinds, *setting.kinds, *setting.more))
    chosen = draw(st.lists(kinds, min_size=1, max_size=2, unique=True))
    return Swarm(
        draw(st.sampled_from(setting.capacities)),
        workers,
        (Kind.TRY_WRITE, *chosen),
        draw(st.integers(min(workers, setting.most_calls), setting.most_calls)),
    )


class InterleavingMachine(RuleBasedStateMachine):
    """The machine; `interleaving_machine` says of what.

    Attributes:
        setting: of what. executed: examples that were begun, over all runs of this class.
        failed: the last one that failed.
    """

    setting: ClassVar[Setting]
    executed: ClassVar[int]
    failed: ClassVar[Drawn | None]

    def __init__(self) -> None:
        super().__init__()
        type(self).executed += 1
        self.run: Execution | None = None
        self.kinds: tuple[Kind, ...] = ()
        self._workers = 0
        self._most_calls = 0
        self._moves: list[Move] = []
        self._failed = False

    @initialize(swarm=st.runner().flatmap(lambda machine: _swarms(machine.setting)))
    def create(self, swarm: Swarm) -> None:
        """What one example is of."""
        self.run = Execution(self.setting, swarm.capacity)
        self.kinds, self._workers, self._most_calls = swarm.kinds, swarm.workers, swarm.calls

    def idle(self) -> list[int]:
        """Workers of this example that are between calls."""
        return [] if self.run is None else [worker for worker in self.run.idle() if worker < self._workers]

    def _may_start(self) -> bool:
        return self.run is not None and self.run.calls < self._most_calls and bool(self.idle())

    def _may_go(self) -> bool:
        return self.run is not None and bool(self.run.enabled())

    def _may_pass(self) -> bool:
        return self.run is not None and bool(self.run.about_to_choose())

    def _may_kill(self) -> bool:
        return self.run is not None and self.setting.most_kills > 0 and bool(self.run.killable())

    @precondition(_may_start)
    @rule(worker=_idle, kind=_kinds, steps=st.none() | st.just(0) | st.integers(1, _LONGEST_TURN))
    def start_an_operation(self, worker: int, kind: Kind, steps: int | None) -> None:
        """And make its first steps; None: all. None of them before an older store is read."""
        if steps is None:
            self._make(Move("perform", worker, kind))
            return
        self._make(Move("start", worker, kind))
        if steps:
            self._make(Move("go", worker, steps))

    @precondition(_may_go)
    @rule(worker=_worker(Execution.enabled), steps=st.none() | st.integers(1, _LONGEST_TURN))
    def take_the_next_steps(self, worker: int, steps: int | None) -> None:
        """So many; None: all that are left of the operation."""
        self._make(Move("finish", worker) if steps is None else Move("go", worker, steps))

    @precondition(_may_go)
    @rule(worker=_worker(Execution.enabled), age=st.integers(1, _OLDEST), later=st.integers(0, _LATER))
    def read_an_older_store(self, worker: int, age: int, later: int) -> None:
        self._make(Move("older", worker, age, later))

    @precondition(_may_pass)
    @rule(worker=_worker(Execution.about_to_choose))
    def let_time_pass(self, worker: int) -> None:
        self._make(Move("time", worker))

    @precondition(_may_kill)
    @rule(worker=_worker(Execution.killable))
    def kill_a_worker(self, worker: int) -> None:
        self._make(Move("kill", worker))

    @precondition(lambda self: not self._may_start() and not self._may_go())
    @rule()
    def nothing_more_happens(self) -> None:
        """All calls have been made, or everybody waits for a message."""

    def _make(self, move: Move) -> None:
        assert self.run is not None
        self._moves.append(move)
        self._expect_no(self.run.make(move))

    def teardown(self) -> None:
        if self.run is not None and not self._failed:
            self._expect_no(self.run.end())

    def _expect_no(self, failure: _explorer.Failure | None) -> None:
        if failure is not None:
            assert self.run is not None
            self._failed = True
            type(self).failed = Drawn(self.run.capacity, tuple(self._moves))
            raise NotAsGuaranteed(self.run.found(failure))


def interleaving_machine(setting: Setting | None = None) -> type[InterleavingMachine]:
    """The machine of a setting; with kills, of calls that wait for nobody."""
    setting = Setting() if setting is None else setting
    if setting.most_kills:
        waiting = (*FOR_A_MESSAGE, *FOR_ROOM)
        setting = replace(
            setting,
            kinds=tuple(kind for kind in setting.kinds if kind not in waiting),
            more=tuple(kind for kind in setting.more if kind not in waiting),
        )
    attributes = {"setting": setting, "executed": 0, "failed": None}
    return type(f"Interleaving[{setting.mutant or 'core'}]", (InterleavingMachine,), attributes)


def run_interleavings(machine: type[InterleavingMachine], chosen: settings) -> int:
    """Run a machine as a test; returns how many examples were executed.

    Args:
        machine: of `interleaving_machine`. chosen: what they say of shrinking does not matter.

    Raises:
        NotAsGuaranteed: with the shrunk interleaving.
    """
    before = machine.executed
    phases = [phase for phase in chosen.phases if phase not in (Phase.shrink, Phase.explain)]
    try:
        run_state_machine_as_test(machine, settings=settings(chosen, phases=phases, print_blob=True))
    except NotAsGuaranteed as error:
        assert machine.failed is not None
        blob = re.search(r"@reproduce_failure\(.*\)", "\n".join(getattr(error, "__notes__", ())))
        smallest = replace(_smallest(machine.setting, machine.failed, error.found), reproduce=blob[0] if blob else "")
    else:
        return machine.executed - before
    raise NotAsGuaranteed(smallest)


def find_interleaving(setting: Setting, *, max_examples: int) -> Found | None:
    """An interleaving that Hypothesis finds in so many examples, shrunk; the same in every run."""
    chosen = settings(
        deadline=None,
        max_examples=max_examples,
        stateful_step_count=STEP_COUNT,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_interleavings(interleaving_machine(setting), chosen)
    except NotAsGuaranteed as error:
        return error.found
    return None


def _smallest(setting: Setting, drawn: Drawn, found: Found) -> Found:
    """No move can be left out or be plainer, and no schedule of the calls that are left is cheaper."""

    def fails(candidate: Drawn) -> bool:
        seen = perform(setting, candidate)
        return seen is not None and seen.fault == found.fault

    smallest = reduced(drawn, partial(_plainer, setting), fails)
    least = perform(setting, smallest)
    assert least is not None
    least = replace(least, drawn=smallest)
    if least.fault == CUT:
        return least
    subject = subject_of(
        least.program,
        mutant=setting.mutant,
        every=setting.every,
        kills=least.kills,
        reckoned=setting.most_kills,
    )
    minimal = _explorer.minimise(subject, least.schedule, model=setting.model)
    cost = Cost(minimal.stale, minimal.switches, len(least.kills), minimal.chosen, minimal.steps, minimal.exact)
    schedule = minimal.failure.schedule
    trace = lanes(*_explorer.trace(subject, schedule, model=setting.model))
    return replace(least, what=minimal.failure.what, schedule=schedule, trace=trace, cost=cost)


def _plainer(setting: Setting, drawn: Drawn) -> Iterator[Drawn]:
    """The largest cuts first; then two workers as one, a simpler ring, and simpler moves one by one."""
    moves = drawn.moves
    for fewer in cuts(moves):
        yield replace(drawn, moves=fewer)
    for worker in range(1, setting.workers):
        for other in range(worker):
            if any(move.worker == worker for move in moves):
                merged = tuple(replace(move, worker=other) if move.worker == worker else move for move in moves)
                yield replace(drawn, moves=merged)
    for capacity in setting.capacities[: setting.capacities.index(drawn.capacity)]:
        yield replace(drawn, capacity=capacity)
    for place, move in enumerate(moves):
        for simpler in _plainer_moves(move):
            yield replace(drawn, moves=(*moves[:place], simpler, *moves[place + 1 :]))


def _plainer_moves(move: Move) -> Iterator[Move]:
    if move.what in ("start", "perform"):
        kinds = (Kind.TRY_WRITE, *CALLS, *MORE_CALLS)
        for kind in kinds[: kinds.index(Kind(move.number))]:
            yield replace(move, number=kind)
        return
    for number in dict.fromkeys((1, move.number // 2, move.number - 1)):
        if 1 <= number < move.number:
            yield replace(move, number=number)
    if move.later:
        yield replace(move, later=move.later - 1)
