"""What it costs to decide a history, and how it grows.

    python benchmarks/checks.py [--json FILE] [--largest N]

One core, its time and not the clock's. ns per operation of the whole FIFO decision (numbering the values included), the
best of three, at growing lengths; the growth is the ratio of two lengths ten times apart. Sorting as many random
numbers with numpy says what the machine gives at the moment. Memory is the peak that numpy allocated, above the history
itself. The general search runs register histories of 170 operations, and longer ones of many workers that are broken at
the end, so that it goes through all orders; by the built-in specification, and by a class of one's own, which is asked
again for what it answered.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from typing import Any

import numpy as np

from harness.bench.rows import publish, publishing
from harness.checks import check_fifo
from harness.checks.specifications import Operation
from harness.checks.specifications.registers import Register
from harness.checks.wgl import search
from harness.history import INTACT, OPERATION_RECORD, History
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status
from harness.verdict import Outcome

REPEATS = 3
SEARCHES = 100
SEARCH_LENGTH = 170
OVERLAPPING = 14


def queue_history(operations: int, looks: bool, full: bool, ids: bool = False) -> History:
    """Writes and reads of eight workers that overlap; one in four reads a skip, one look in five; FULL at every tenth
    write, of a queue for three messages; with the entry ids that the channel reports, or without.
    """
    generator = np.random.default_rng(1)
    count = operations // 2
    rows = np.zeros(2 * count, OPERATION_RECORD)
    rows["id"] = rows["target"] = NO_ID
    rows["timeout"], rows["flags"], rows["size"] = NO_TIMEOUT, INTACT, 8
    values = np.arange(count)
    written = values * 40
    rows["value"][:count] = rows["value"][count:] = values
    rows["kind"][:count], rows["kind"][count:] = Kind.WRITE, Kind.TRY_READ
    rows["invoked"] = np.concatenate([written, written + 100]) - generator.integers(0, 150, 2 * count) + 200
    rows["returned"] = np.concatenate([written, written + 100]) + generator.integers(0, 150, 2 * count) + 200
    rows["worker"] = np.tile(np.arange(8), 2 * count // 8 + 1)[: 2 * count]
    if looks:
        rows["kind"][count + 1 :: 4] = Kind.SKIP
        peeks = rows[count::5].copy()
        peeks["kind"] = Kind.PEEK
        # just before its removal: then every value between is gone, and it is the head
        peeks["invoked"], peeks["returned"] = written[::5] + 100 + 180, written[::5] + 100 + 200
        rows = np.concatenate([rows, peeks])
    if full:
        # three are inside for 20 ns from each write on: in the middle of that is the refusal's instant
        refused = rows[:count:10].copy()
        refused["kind"], refused["status"] = Kind.TRY_WRITE, Status.FULL
        refused["value"] += count
        refused["invoked"] = written[::10] + 210 - generator.integers(0, 150, len(refused))
        refused["returned"] = written[::10] + 210 + generator.integers(0, 150, len(refused))
        rows = np.concatenate([rows, refused])
    if ids:
        rows["id"] = rows["value"]
    rows = rows[np.argsort(rows["invoked"], kind="stable")]
    return History(rows, capacity=16 * 3 if full else None)


def cost(history: History) -> tuple[float, Outcome]:
    """ns per operation of the decision, and what it was."""
    best = float("inf")
    for _ in range(REPEATS):
        begun = time.process_time()
        verdict = check_fifo(history)
        best = min(best, time.process_time() - begun)
    return 1e9 * best / len(history), verdict.outcome


def sorting(count: int) -> float:
    """ns per number that numpy takes to sort so many random ones."""
    numbers = np.random.default_rng(1).integers(0, 1 << 62, count)
    begun = time.process_time()
    np.argsort(numbers)
    return 1e9 * (time.process_time() - begun) / count


def broken(history: History) -> History:
    """The same with two removals swapped near the end."""
    rows = history.operations.copy()
    reads = np.flatnonzero((rows["kind"] == Kind.TRY_READ) & (rows["status"] == Status.OK))
    first, second = reads[-40], reads[-2]
    rows["value"][[first, second]] = rows["value"][[second, first]]
    return History(rows, history.capacity)


def memory(history: History) -> float:
    """Bytes per operation at the peak of the decision, the history itself apart."""
    tracemalloc.start()
    check_fifo(history)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / len(history)


def register_history(
    generator: np.random.Generator, length: int, workers: int
) -> list[tuple[Operation, tuple[int, int]]]:
    """A register's operations, with intervals around their instants."""
    history: list[tuple[Operation, tuple[int, int]]] = []
    free_at = [0] * workers
    state: Any = None
    now = 0
    while len(history) < length:
        now += 10
        worker = int(generator.integers(workers))
        begin, end = max(free_at[worker], now - int(generator.integers(60))), now + int(generator.integers(60))
        if begin > now:
            continue
        free_at[worker] = end + 1
        choice, value = generator.random(), int(generator.integers(5))
        if choice < 0.4:
            operation, state = Operation("write", value), value
        elif choice < 0.7 or state is None:
            operation = Operation("read", None, state)
        elif choice < 0.9:
            operation, state = Operation("cas", (state, value)), value
        else:
            operation = Operation("cas", (state + 1, value), error="mismatch")
        history.append((operation, (begin, end)))
    return history


class OwnRegister(Register):
    """The same as a user would write it: nobody knows that it is pure."""


def general_search(model: Register) -> tuple[float, float]:
    """Median ms of a search, and million steps of the specification a second."""
    generator = np.random.default_rng(1)
    times, steps = [], 0
    for _ in range(SEARCHES):
        history = register_history(generator, SEARCH_LENGTH, 5)
        begun = time.process_time()
        found = search(model, *zip(*history, strict=True))
        times.append(time.process_time() - begun)
        steps += found.steps
        if not found.linearizable:
            raise RuntimeError("a register's own history was rejected")
    return 1e3 * float(np.median(times)), steps / sum(times) / 1e6


def exhaustive_search(model: Register) -> float:
    """Million steps a second where every order is tried in vain."""
    generator = np.random.default_rng(2)
    history = register_history(generator, SEARCH_LENGTH, 5)
    # writes that all overlap, and a read of what nobody wrote
    end = max(returned for _, (_, returned) in history)
    history += [(Operation("write", value), (end + 1, end + 9)) for value in range(OVERLAPPING)]
    history.append((Operation("read", None, -1), (end + 2, end + 8)))
    begun = time.process_time()
    found = search(model, *zip(*history, strict=True))
    if found.linearizable is not False:
        raise RuntimeError("a planted violation was not found")
    return found.steps / (time.process_time() - begun) / 1e6


def row(name: str, value: float, unit: str, target: float | None, at_least: bool = False) -> dict[str, Any]:
    met = None if target is None else (value >= target if at_least else value <= target)
    ratio = None if target is None else value / target
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "against": "target",
        "ratio": ratio,
        "target": target,
        "met": met,
    }


def rows(largest: int) -> list[dict[str, Any]]:
    found = []
    kinds = {
        "plain": (False, False, False, {10**6: 150.0, 10**7: 250.0}),
        "peeks and skips": (True, False, False, {10**6: 300.0}),
        "with FULL": (False, True, True, {10**6: 600.0}),
        "with FULL, no ids": (False, True, False, {10**6: 600.0}),
    }
    for name, (looks, full, ids, targets) in kinds.items():
        earlier = None
        for operations in (10**4, 10**5, 10**6, 10**7):
            if operations > largest or (operations > 10**6 and operations not in targets):
                continue
            history = queue_history(operations, looks, full, ids)
            per_operation, outcome = cost(history)
            if outcome is not Outcome.PASS:
                raise RuntimeError(f"{name}: a queue's own history was {outcome}")
            found.append(
                row(f"FIFO {name}, {operations:,} operations", per_operation, "ns/op", targets.get(operations))
            )
            if earlier is not None:
                found.append(row(f"FIFO {name}, growth to {operations:,}", per_operation / earlier, "x", None))
            earlier = per_operation
            if operations == 10**6:
                found.append(row(f"FIFO {name}, memory", memory(history), "bytes/op", 150.0))
                if name == "plain":
                    violated, outcome = cost(broken(history))
                    if outcome is not Outcome.FAIL:
                        raise RuntimeError("a planted violation was not found")
                    found.append(row("FIFO plain, a violation against a pass", violated / per_operation, "x", 1.1))
                    found.append(row("numpy, sorting as many random numbers", sorting(operations), "ns/number", None))
    for name, model in (("built in", Register()), ("of one's own", OwnRegister())):
        milliseconds, steps = general_search(model)
        found.append(row(f"general search, {name}, {SEARCH_LENGTH} operations", milliseconds, "ms", 10.0))
        found.append(row(f"general search, {name}, easy", steps, "M steps/s", 1.0, at_least=True))
        steps = exhaustive_search(model)
        found.append(row(f"general search, {name}, every order", steps, "M steps/s", 1.0, at_least=True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    publishing(parser)
    parser.add_argument("--largest", type=int, default=10**7, metavar="N", help="longest history")
    arguments = parser.parse_args()
    found = rows(arguments.largest)
    for entry in found:
        target = "" if entry["target"] is None else f"target {entry['target']:g}: {'met' if entry['met'] else 'MISSED'}"
        print(f"{entry['name']:52} {entry['value']:10.2f} {entry['unit']:10} {target}")
    publish(found, arguments)


if __name__ == "__main__":
    main()
