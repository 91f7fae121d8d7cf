"""How fast the explorer is: executions per second, seconds to exhaust, memory.

    python benchmarks/explorer.py [--jobs N]

Run it on an otherwise idle machine; every figure is the best of three.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from harness import _explorer
from harness.explore import examine
from harness.explore.programs import SMALL, WITH_DEAD, small_scenario

QUEUE = [(2, 2), (3, 2), (3, 3), (4, 2)]


def queue(workers: int, operations: int, waiting: bool, share: int = 0, shares: int = 1) -> tuple[int, int, float]:
    """Complete and cut executions of the Vyukov queue, and the seconds they took."""
    subject = _explorer.vyukov_queue(workers, operations)
    result = _explorer.explore(subject, waiting=waiting, share=share, shares=shares)
    return result.complete, result.cut, result.seconds


def best(measure, times: int = 3):  # type: ignore[no-untyped-def]
    return min((measure() for _ in range(times)), key=lambda measured: measured[2])


def scaling(jobs: int, rounds: int = 4) -> float:
    """How much sooner `jobs` processes have explored the 4x2 queue `rounds` times over, than one."""
    shares = jobs * 4
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        list(pool.map(queue, [2] * jobs, [1] * jobs, [False] * jobs))  # start the processes
        start = time.perf_counter()
        for _ in range(rounds):
            queue(4, 2, False)
        alone = time.perf_counter() - start
        start = time.perf_counter()
        parts = [pool.submit(queue, 4, 2, False, share, shares) for _ in range(rounds) for share in range(shares)]
        total = sum(part.result()[0] for part in parts)
        together = time.perf_counter() - start
    assert total == rounds * 486_136
    return alone / together


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
        "swsr, 3 messages": SMALL["swsr"],
        "mwsr, 2 messages": SMALL["mwsr"],
        "mwmr, 2 messages": SMALL["mwmr"],
        "skip-vs-read, 3 messages": small_scenario("skip-vs-read", messages=3),
    }
    for name, program in larger.items():
        seen = examine(program)
        left = "" if seen.exhausted else "  NOT EXHAUSTED"
        print(f"{name:26} {seen.executions:12,} {seen.cut:9,} {seen.seconds:9.3f} {seen.histories:11,}{left}")
    start = time.perf_counter()
    executions = sum(examine(program, driver="crash").executions for program in {**SMALL, **WITH_DEAD}.values())
    print(f"{'crash driver, all':26} {executions:12,} {'':9} {time.perf_counter() - start:9.3f}")

    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if jobs > 1:
        print(f"{jobs} jobs are {scaling(jobs):.2f} times as fast as one")


if __name__ == "__main__":
    main()
