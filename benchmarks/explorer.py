"""How fast the explorer is: executions per second, seconds to exhaust, memory.

    python benchmarks/explorer.py [--jobs N]

Run it on an otherwise idle machine; every figure is the best of three.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

from harness import _explorer
from harness.explore import examine
from harness.explore.programs import SMALL, WITH_DEAD, small_scenario

QUEUE = [(2, 2), (3, 2), (3, 3), (4, 2)]


def queue(workers: int, operations: int, waiting: bool) -> tuple[int, int, float]:
    """Complete and cut executions of the Vyukov queue, and the seconds they took."""
    result = _explorer.explore(_explorer.vyukov_queue(workers, operations), waiting=waiting)
    return result.complete, result.cut, result.seconds


def best(measure, times: int = 3):  # type: ignore[no-untyped-def]
    return min((measure() for _ in range(times)), key=lambda measured: measured[2])


def scaling(jobs: int, pairs: int = 3) -> None:
    """How much sooner several processes have explored mwmr with three messages than one has, in interleaved pairs.

    The processor time of all processes together says what sharing costs; it does not depend on who else is working.
    """
    program = small_scenario("mwmr", messages=3)
    bound = 1_000_000
    rows = []
    for _ in range(pairs):
        pair = []
        for engine, count in (("here", 1), ("processes", jobs)):
            before = [sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            start = time.perf_counter()
            seen = examine(program, engine=engine, jobs=count, executions=bound, seconds=600)
            wall = time.perf_counter() - start
            after = [sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            pair.append((wall, sum(after) - sum(before), seen.executions + seen.cut))
        rows.append(pair)
        (alone, work, executions), (together, shared, same) = pair
        assert abs(executions - same) <= jobs * 4
        print(
            f"  {executions:,} executions: {alone:.2f} s alone, {together:.2f} s shared; "
            f"processor time {work:.2f} s, {shared:.2f} s"
        )
    faster = statistics.median(alone[0] / together[0] for alone, together in rows)
    work = statistics.median(together[1] / alone[1] for alone, together in rows)
    print(f"{jobs} jobs are {faster:.2f} times as fast as one (target 1.7 for 2), for {work:.2f} times the work")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="also measure what several processes gain")
    jobs = parser.parse_args().jobs

    print("Vyukov queue, capacity 2       complete       cut   seconds   complete/s")
    for workers, operations in QUEUE:
        for waiting in (False, True):
            complete, cut, seconds = best(lambda w=workers, o=operations, r=waiting: queue(w, o, r))
            name = f"{workers}x{operations}{' (rounds wait)' if waiting else ''}"
            print(f"{name:26} {complete:12,} {cut:9,} {seconds:9.3f} {complete / seconds:12,.0f}")

    subject = _explorer.vyukov_queue(4, 2)
    for strategy in ("pct", "pos", "uniform"):
        sampled = _explorer.sample(subject, strategy, 1, 100_000)
        rate = sampled.complete / sampled.seconds
        print(f"{strategy + ' walks':26} {sampled.complete:12,} {'':9} {sampled.seconds:9.3f} {rate:12,.0f}")

    print("\nthe channel                    complete       cut   seconds   histories")
    larger = {
        # the largest of each scenario that a core exhausts in 60 s (docs/explorer.md)
        "swsr 1x1, 4 messages": small_scenario("swsr", messages=4),
        "mwsr 2x1, 3 messages": small_scenario("mwsr", messages=3),
        "mwmr 2x2, 2 messages": SMALL["mwmr"],
        "skip-vs-read 2x4, 4": small_scenario("skip-vs-read", writers=2, readers=4, messages=4),
    }
    for name, program in larger.items():
        for model in ("rc11", "sc"):
            seen = examine(program, model=model)  # type: ignore[arg-type]
            left = "" if seen.exhausted else "  NOT EXHAUSTED"
            counted = f"{seen.executions:12,} {seen.cut:9,} {seen.seconds:9.3f} {seen.histories:11,}"
            print(f"{f'{name} {model}':26} {counted}{left}")
    start = time.perf_counter()
    executions = sum(examine(program, driver="crash").executions for program in {**SMALL, **WITH_DEAD}.values())
    print(f"{'crash driver, all':26} {executions:12,} {'':9} {time.perf_counter() - start:9.3f}")

    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if jobs > 1:
        print()
        scaling(jobs)


if __name__ == "__main__":
    main()
