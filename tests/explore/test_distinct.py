"""How many histories differ, counted in few bytes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from harness.explore import examine
from harness.explore.distinct import Distinct
from harness.explore.programs import small_scenario


def test_it_counts_what_a_set_counts() -> None:
    generator = np.random.default_rng(1)
    distinct, expected = Distinct(), set()
    for part in range(300):
        digests = generator.integers(0, 2**64, 1_000, np.uint64)
        digests[:500] = generator.choice(digests, 500)
        kills = ((part % 3, 7),) if part % 2 else ()
        distinct.add(digests.tobytes(), kills)
        expected |= {(kills, digest) for digest in digests.tolist()}
    assert len(distinct) == len(expected)
    assert len(distinct) == len(expected)


@pytest.mark.parametrize("kills", [(), ((0, 1),), ((0, 1), (1, 0))])
def test_the_same_history_beside_others_who_died_is_another(kills: tuple[tuple[int, int], ...]) -> None:
    distinct = Distinct()
    for _ in range(2):
        distinct.add(np.arange(10, dtype=np.uint64).tobytes(), ((1, 1),))
        distinct.add(np.arange(10, dtype=np.uint64).tobytes(), kills)
        distinct.add(b"", kills)
    assert len(distinct) == 20


def test_a_history_takes_eight_bytes_and_not_a_hundred() -> None:
    tracemalloc.start()
    distinct = Distinct()
    for part in range(20):
        distinct.add(np.arange(part * 50_000, (part + 1) * 50_000, dtype=np.uint64).tobytes(), ())
    assert len(distinct) == 1_000_000
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 10_000_000


def test_histories_that_differ_in_their_order_alone_are_kept_apart_and_counted_once() -> None:
    """Two writers and two readers of a message each, in real time; as many as a set of whole ones has."""
    seen = examine(small_scenario("skip-vs-read", writers=2, readers=2, messages=2), model="sc")
    assert (seen.exhausted, seen.histories) == (True, 94)
