"""How fast the explorer is: executions per second, seconds to exhaust, memory, what several processes gain.

    python benchmarks/explorer.py [--rounds N] [--jobs N] [--json FILE]

Run it on an otherwise idle machine. A figure is the best of its rounds, for that is what the machine can do; a target
is a bound that the figure is held against, as bound over seconds or rate over bound.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Iterator
from typing import get_args

from harness import _explorer
from harness.bench.rows import Row, arguments, publish, row, show
from harness.explore import Model, examine
from harness.explore.programs import SMALL, WITH_DEAD, small_scenario

QUEUE = ((3, 3), (4, 2))
LEAST_RATE = 500_000.0  # complete executions per second of the 4x2 queue
QUEUE_LIMIT_S = 2.0
EXHAUST_LIMIT_S = 60.0
MEMORY_LIMIT_MB = 200.0
JOBS_TARGET = {2: 1.7}
WALKS = 100_000

LARGEST = {
    # the largest of each scenario that one core exhausts in 60 s (docs/explorer.md)
    "swsr 1x1, 4 messages": small_scenario("swsr", messages=4),
    "mwsr 2x1, 3 messages": small_scenario("mwsr", messages=3),
    "mwmr 2x2, 2 messages": SMALL["mwmr"],
    "skip-vs-read 2x4, 4 messages": small_scenario("skip-vs-read", writers=2, readers=4, messages=4),
}

LARGEST_WITH_KILLS = {
    # ... with every worker killed before each of its accesses
    "swsr 1x1, 5 messages": small_scenario("swsr", messages=5),
    "mwsr 2x1, 2 messages": SMALL["mwsr"],
    "mwmr 2x2, 2 messages": SMALL["mwmr"],
    "skip-vs-read 2x3, 3 messages": small_scenario("skip-vs-read", writers=2, readers=3, messages=3),
}


def queue(rounds: int) -> Iterator[Row]:
    """The Vyukov queue of capacity 2, workers x operations each."""
    for workers, operations in QUEUE:
        for waiting in (False, True):
            runs = [
                _explorer.explore(_explorer.vyukov_queue(workers, operations), waiting=waiting) for _ in range(rounds)
            ]
            seconds = min(run.seconds for run in runs)
            name = f"queue {workers}x{operations}{', rounds wait' if waiting else ''}: {runs[0].complete:,} executions"
            whole = (workers, operations) == (4, 2) and not waiting
            against = f"as quick as {QUEUE_LIMIT_S:g} s" if whole else ""
            yield row(name, seconds, "s", against, QUEUE_LIMIT_S / seconds if whole else None, 1 if whole else None)
            if whole:
                rate = runs[0].complete / seconds
                ratio = rate / LEAST_RATE
                yield row(f"{name}, rate", rate / 1e6, "M/s", f"of {LEAST_RATE / 1e6:g} M/s", ratio, 1)
    subject = _explorer.vyukov_queue(4, 2)
    for strategy in ("pct", "pos", "uniform"):
        seconds = min(_explorer.sample(subject, strategy, 1, WALKS).seconds for _ in range(rounds))
        yield row(f"queue 4x2, {strategy} walks", WALKS / seconds / 1e6, "M/s")


def channel() -> Iterator[Row]:
    """The channel's own scenarios, exhausted, and every kill in all of them."""
    for name, program in LARGEST.items():
        for model in get_args(Model):
            seen = examine(program, model=model, seconds=2 * EXHAUST_LIMIT_S)
            found = f"{name}, {model}: {seen.executions:,} executions" + ("" if seen.exhausted else ", NOT EXHAUSTED")
            ratio = EXHAUST_LIMIT_S / seen.seconds if seen.exhausted else 0.0
            yield row(found, seen.seconds, "s", f"as quick as {EXHAUST_LIMIT_S:g} s", ratio, 1)
    start = time.perf_counter()
    for name, program in LARGEST_WITH_KILLS.items():
        seen = examine(program, driver="crash", seconds=2 * EXHAUST_LIMIT_S)
        found = f"{name}, kills: {seen.executions:,} executions" + ("" if seen.exhausted else ", NOT EXHAUSTED")
        yield row(found, seen.seconds, "s")
    executions = sum(examine(program, driver="crash").executions for program in WITH_DEAD.values())
    seconds = time.perf_counter() - start
    name = f"crash driver, these four and {executions:,} executions of other programs"
    yield row(name, seconds, "s", f"as quick as {EXHAUST_LIMIT_S:g} s", EXHAUST_LIMIT_S / seconds, 1)


def scaling(jobs: int, pairs: int) -> Iterator[Row]:
    """How much sooner several processes have explored mwmr with three messages than one has, in interleaved pairs.

    What is shared is the exploration: the estimate of what is left, after it, takes as long with any number of jobs.
    The processor time of all processes together says what sharing costs; it does not depend on who else is working.
    """
    program = small_scenario("mwmr", messages=3)
    faster, work = [], []
    for _ in range(pairs):
        walls, costs = [], []
        for engine, count in (("here", 1), ("processes", jobs)):
            before = _processor_s()
            start = time.perf_counter()
            examine(program, engine=engine, jobs=count, executions=1_000_000, seconds=600, estimate=False)
            walls.append(time.perf_counter() - start)
            costs.append(_processor_s() - before)
        faster.append(walls[0] / walls[1])
        work.append(costs[1] / costs[0])
    ratio = statistics.median(faster)
    yield row(f"mwmr, 3 messages, {jobs} jobs", ratio, "", "as fast as one", ratio, JOBS_TARGET.get(jobs))
    yield row(f"mwmr, 3 messages, {jobs} jobs: processor time", statistics.median(work), "of one's")


def _processor_s() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    options = arguments(__doc__, rounds=3, jobs=1)
    found: list[Row] = []
    for one in queue(options.rounds):
        found += show([one])
    peak = _peak_mb()
    against = f"below {MEMORY_LIMIT_MB:g} MB"
    found += show([row("queue, peak memory", peak, "MB", against, MEMORY_LIMIT_MB / peak, 1)])
    for one in channel():
        found += show([one])
    found += show([row("channel, peak memory", _peak_mb(), "MB")])
    if options.jobs > 1:
        for one in scaling(options.jobs, options.rounds):
            found += show([one])
    publish(found, options)


if __name__ == "__main__":
    main()
