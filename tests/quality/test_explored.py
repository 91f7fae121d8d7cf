"""Every planted bug that single calls can show is found by drawn programs, and shrunk to what it needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.explore import replay
from harness.operation import Kind
from harness.stateful.explored import describe_explored, find_explored

EXPECTED = Path(__file__).with_name("early_publish.txt")

# the workers and the operations that the bug needs
NEEDED = {
    "doubled-message": (2, 4),  # strikes at the second read, so there are two; and a script has one operation at least
    "dropped-message": (2, 3),  # strikes at the second write of a handle
    "blind-removal": (2, 3),  # one message, and two reads of it
    # a message, its peek, its read and a write over it: 4; the shrinker may stop at one more, with other sizes
    "unchecked-peek": (3, 5),
    "early-publish": (2, 2),
    "publish-relaxed": (2, 2),
    "take-owner-relaxed": (2, 2),
}


@pytest.mark.parametrize("mutant", NEEDED)
def test_a_planted_bug_is_shrunk_to_what_it_needs(mutant: str) -> None:
    found = find_explored(mutant)
    assert found is not None
    workers, operations = NEEDED[mutant]
    assert len(found.program.workers) <= workers
    assert sum(len(script) for script in found.program.workers) <= operations
    assert replay(found.program, found.exploration.schedule, mutant=mutant)


def test_the_faithful_channel_is_not_convicted() -> None:
    assert find_explored(max_examples=60, executions=1_000) is None


def test_the_text_is_the_expected_one() -> None:
    """Deterministic from end to end, so it is compared letter by letter; the core's line numbers aside."""
    found = find_explored("early-publish", kinds=(Kind.TRY_WRITE, Kind.TRY_READ))
    assert found is not None
    text = re.sub(r"(\.hpp):\d+", r"\1:#", describe_explored(found))
    assert text + "\n" == EXPECTED.read_text(encoding="utf-8")
