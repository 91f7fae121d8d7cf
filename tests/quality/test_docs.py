"""The page "Test your own queue" shows the example as it is, and what it says when it is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples.naive_queue import OPERATIONS, BoundedQueue, NaiveQueue
from harness.stateful.parallel import NotLinearizable, check_parallel

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "test-your-own-queue.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "examples" / "naive_queue.py").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", PAGE, re.DOTALL)


def test_the_code_of_the_page_is_the_example() -> None:
    shown = blocks("python")
    assert len(shown) == 4
    for block in shown:
        assert block in EXAMPLE


def test_the_output_on_the_page_is_of_this_form() -> None:
    """The same lines; which worker is first, which items, and the rate are chance."""
    (shown,) = blocks("text")
    with pytest.raises(NotLinearizable) as raised:
        check_parallel(NaiveQueue, BoundedQueue(), OPERATIONS)
    heads = ("not linearizable: no order of these", "worker 0 ", "interleaving:", "run again, it failed", "replay: ")
    for text in (shown, str(raised.value)):
        found = [next((line for line in text.splitlines() if line.startswith(head)), None) for head in heads]
        assert None not in found
