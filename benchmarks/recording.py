"""What recording costs: a native script with stamps, records, fresh and verified payloads, against the bare operations.

    python benchmarks/recording.py [--rounds N] [--json FILE]

One worker writes and reads in turn, so nothing waits. Bare and recorded runs alternate; a row is the median of the
differences of neighbours, in ns per operation; beside it, what one reading of the clock takes.
"""

from __future__ import annotations

import mmap
import statistics
import threading
import time

import numpy as np

from channel import Channel, ChannelConfig, suggest_size
from harness import _native
from harness.bench.rows import Row, arguments, publish, row, show
from harness.history import OPERATION_RECORD
from harness.operation import NO_TIMEOUT, Kind
from harness.program import OPERATION

PAIRS = 100_000
BUDGET_NS = 60.0
PATIENCE_NS = 60_000_000_000
SIZES = (8, 64, 1024)


def alternating(size: int) -> bytes:
    """A script that writes a message and reads it, PAIRS times."""
    script = np.zeros(2 * PAIRS, OPERATION)
    script["timeout"], script["count"], script["size"] = NO_TIMEOUT, 1, size
    script["kind"][0::2], script["kind"][1::2] = Kind.TRY_WRITE, Kind.TRY_READ
    script["value"][0::2] = np.arange(PAIRS)
    return script.tobytes()


def recorded_ns(attachment: _native.Attachment, script: bytes, policy: tuple[int, int, int, int, int]) -> float:
    """ns per operation of the script, recorded."""
    run = _native.Run.create([(script, 2 * PAIRS, 2 * PAIRS)])
    give_up = time.monotonic_ns() + PATIENCE_NS
    thread = threading.Thread(target=attachment.run_script, args=(run, 0, policy, None, give_up))
    thread.start()
    run.await_arrivals(1, give_up)
    run.start(1_000_000, PATIENCE_NS)
    thread.join()
    last = np.frombuffer(run.records(0), OPERATION_RECORD)[-1]
    return float(last["returned"] - run.started) / (2 * PAIRS)


def cost_rows(rounds: int) -> list[Row]:
    policy = ChannelConfig().policy()
    found = []
    for size in SIZES:
        script = alternating(size)
        memory = mmap.mmap(-1, suggest_size(1 << 16, 2), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with Channel.create_in(memory, participants=2):
            attachment = _native.Attachment.buffer(memory)
            bare, cost = [], []
            for _ in range(rounds):
                bare.append(attachment.run_bare(script, policy) / (2 * PAIRS))
                cost.append(recorded_ns(attachment, script, policy) - bare[-1])
        value = statistics.median(cost)
        budget = BUDGET_NS / value if size == 8 else None
        against, least = ("", None) if budget is None else (f"of the floor, {BUDGET_NS:g} ns", 1.0)
        found.append(row(f"recording an operation, {size} B", value, "ns", against, budget, least))
        found.append(row(f"bare operation, {size} B", statistics.median(bare), "ns"))
    found.append(row("one fenced stamp alone", _native.stamp_ns(1_000_000), "ns"))
    return found


def main() -> None:
    chosen = arguments(__doc__)
    publish(show(cost_rows(chosen.rounds)), chosen)


if __name__ == "__main__":
    main()
