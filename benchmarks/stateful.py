"""What it costs to find and to shrink each planted bug, layer by layer, and how many drawn programs a minute explores.

    python benchmarks/stateful.py [--json FILE] [--layers 1,2,3] [--examples N] [MUTANT ...]

One core, its time and not the clock's. A row of a planted bug is the CPU seconds until it is found and its
counterexample is shrunk; its ratio is the budget over that: 10 s for a bug that one thread sees (layer 1), 60 s for one
of the concurrent core, in the better of layers 2 and 3. The row below it says what is left of the counterexample beside
what `Needs` in ``harness/mutants.py`` allows. Of drawn programs: how many a minute of CPU explores, and the smallest
number of executions that one bought which was not exhausted.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import given, settings

import channel
from harness.bench.rows import Row, publish, publishing, row, show
from harness.explore.exploration import Cost
from harness.mutants import Mutant, Nature, Needs, all_mutants, parse
from harness.stateful.execution import Setting
from harness.stateful.explored import EXECUTIONS, Drawn, explored, explored_programs, find_explored
from harness.stateful.interleaving import find_interleaving
from harness.stateful.sequential import find_sequential
from harness.systems.channel import planted_class
from harness.verdict import Outcome

SEQUENTIAL_S = 10.0
CONCURRENT_S = 60.0
TICK_S = 0.01  # of the clock that counts children, too
PROGRAMS_PER_MINUTE = 200
PROGRAMS = 300

Result = TypeVar("Result")


@dataclass(frozen=True)
class Shrunk:
    """What a layer made of a planted bug.

    Attributes:
        layer: 1, 2 or 3. seconds: of CPU, to find and to shrink. found: was it?
        left: of the counterexample: what, how many, and how many the bug needs.
    """

    layer: int
    seconds: float
    found: bool
    left: Sequence[tuple[str, int, int]] = ()

    @property
    def told(self) -> str:
        return ", ".join(f"{name} {seen} of {most}" for name, seen, most in self.left)

    @property
    def ratio(self) -> float:
        """What is needed over what is left, where that is worst."""
        return min((most / seen for _, seen, most in self.left if seen), default=1.0)


def in_layer_1(mutant: Mutant, _examples: int) -> Shrunk:
    planted = planted_class(parse(f"{mutant.name}:2" if mutant.counts else mutant.name))
    chosen = settings(max_examples=300, stateful_step_count=40, database=None, derandomize=True, deadline=None)
    failure, seconds = timed(lambda: find_sequential(planted, channel, chosen))
    if failure is None:
        return Shrunk(1, seconds, False)
    return Shrunk(1, seconds, True, [("calls", len(failure.sequence.steps), mutant.needs.calls)])


def in_layer_2(mutant: Mutant, examples: int) -> Shrunk:
    setting = Setting(mutant=mutant.name, most_kills=int(mutant.nature is Nature.CRASH))
    found, seconds = timed(lambda: find_interleaving(setting, max_examples=examples))
    if found is None:
        return Shrunk(2, seconds, False)
    workers = sum(len(script) > 0 for script in found.program.workers)
    return Shrunk(2, seconds, True, beside_needs(mutant.needs, workers, found.calls, found.cost))


def in_layer_3(mutant: Mutant, _examples: int) -> Shrunk:
    found, seconds = timed(lambda: find_explored(mutant.name))
    if found is None:
        return Shrunk(3, seconds, False)
    return Shrunk(3, seconds, True, beside_needs(mutant.needs, found.workers, found.operations, found.cost))


def beside_needs(needs: Needs, workers: int, operations: int, cost: Cost | None) -> list[tuple[str, int, int]]:
    """What is left of a program and its schedule; of one that does not end there is no cost."""
    left = [("workers", workers, needs.workers), ("operations", operations, needs.operations)]
    if cost is not None:
        left += [
            ("switches", cost.switches, needs.switches),
            ("stale", cost.stale, needs.stale),
            ("kills", cost.kills, needs.kills),
        ]
    return left


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What it gives, and the CPU seconds of this process and of children that have ended, as those of layer 1 have."""
    begun = sum(os.times()[:4])
    result = work()
    return result, sum(os.times()[:4]) - begun


LAYERS = {1: in_layer_1, 2: in_layer_2, 3: in_layer_3}


def rows_of(mutant: Mutant, layers: list[int], examples: int) -> Iterator[Row]:
    """Of each layer that is asked for and can see the bug; and the budget's, for the core's the better of 2 and 3."""
    concurrent: list[float] = []
    for layer in layers:
        if layer == 1 and not mutant.needs.calls:
            continue
        seen = LAYERS[layer](mutant, examples)
        name = f"{mutant.name}, layer {layer}"
        if layer == 1 and not seen.found:
            yield row(f"{name}: not found", seen.seconds, "CPU s", "of 10 s", 0.0, 1.0)
        elif not seen.found:
            yield row(f"{name}: not found", seen.seconds, "CPU s")
        elif layer == 1:
            yield row(name, seen.seconds, "CPU s", "of 10 s", SEQUENTIAL_S / max(seen.seconds, TICK_S), 1.0)
        else:
            yield row(name, seen.seconds, "CPU s")
            concurrent.append(seen.seconds)
        if seen.found:  # of moves, a smaller program with another interleaving may exist: no target for layer 2
            size = {what: count for what, count, _ in seen.left}
            operations = size.get("operations", size.get("calls", 0))
            yield row(f"  {seen.told}", operations, "calls", "needed", seen.ratio, None if layer == 2 else 1.0)
    if {2, 3} & set(layers) and mutant.needs.workers:
        best = min(concurrent, default=float("inf"))
        yield row(f"{mutant.name}: layer 2 or 3", best, "CPU s", "of 60 s", CONCURRENT_S / max(best, TICK_S), 1.0)


def drawn_programs() -> Iterator[Row]:
    """Explored a minute, and what the least of those bought that were not exhausted."""
    bought: list[int] = []
    explored_s = 0.0

    @settings(max_examples=PROGRAMS, deadline=None, database=None, derandomize=True)
    @given(drawn=explored_programs())
    def explore(drawn: Drawn) -> None:
        nonlocal explored_s
        begun = time.process_time()
        seen = explored(drawn)
        explored_s += time.process_time() - begun
        assert seen.verdict.outcome is not Outcome.FAIL, seen.verdict
        bought.append(seen.visited if not seen.exhausted else EXECUTIONS)
        counted.append(seen.visited)

    counted: list[int] = []
    _, seconds = timed(explore)
    minute = 60.0 * len(bought) / seconds
    yield row("drawn programs explored", minute, "a minute", "of 200", minute / PROGRAMS_PER_MINUTE, 1.0)
    yield row("of that, CPU in the explorer", 100 * explored_s / seconds, "%")
    yield row(
        "executions of the least example that was not exhausted",
        min(bought),
        "",
        f"of {EXECUTIONS:,}",
        min(bought) / EXECUTIONS,
        1.0,
    )
    yield row("executions of all of them", sum(counted), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mutants", nargs="*", metavar="MUTANT", help="planted bugs (default: all)")
    publishing(parser)
    parser.add_argument("--layers", default="1,2,3", help="which (default %(default)s)")
    parser.add_argument("--examples", type=int, default=2_500, help="of layer 2 (default %(default)s)")
    given_arguments = parser.parse_args()
    layers = [int(layer) for layer in given_arguments.layers.split(",")]
    if not layers or not set(layers) <= set(LAYERS):
        parser.error(f"--layers is some of 1,2,3; got {given_arguments.layers}")
    mutants = [parse(name) for name in given_arguments.mutants] or list(all_mutants())
    rows: list[Row] = []
    if 3 in layers:
        rows += show(list(drawn_programs()))
    for mutant in mutants:
        for one in rows_of(mutant, layers, given_arguments.examples):
            rows += show([one])
    publish(rows, given_arguments)


if __name__ == "__main__":
    main()
