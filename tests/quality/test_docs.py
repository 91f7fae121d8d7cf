"""The page "Test your own queue" shows the examples as they are, and what they say when they are run."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

from examples import naive_lru
from examples.naive_queue import OPERATIONS, BoundedQueue, NaiveQueue
from examples.naive_queue_machine import QueueMachine
from examples.shared_queue import SharedQueue, create, release
from harness.stateful.machine_specification import from_machine
from harness.stateful.parallel import Attached, NotLinearizable, check_parallel

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "test-your-own-queue.md").read_text(encoding="utf-8")
EXAMPLES = ["naive_queue", "naive_queue_machine", "shared_queue"]

HEADS = ("not linearizable: no order of these", "worker 0 ", "interleaving:", "replay: ")
COUNT = re.compile(r"^(failed \d+ of 50 re-executions|seen once, not again in 50 re-executions)$", re.MULTILINE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", PAGE, re.DOTALL)


def test_the_code_of_the_page_is_in_the_examples() -> None:
    shown = blocks("python")
    examples = [(ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8") for name in EXAMPLES]
    assert len(shown) == 8
    for block in shown:
        assert any(block in example or textwrap.indent(block, "    ") in example for example in examples), block


@pytest.mark.parametrize(
    "check",
    [
        lambda: check_parallel(NaiveQueue, BoundedQueue(), OPERATIONS),
        lambda: check_parallel(*from_machine(QueueMachine)),
        lambda: check_parallel(
            Attached(create, attach=SharedQueue, release=release), BoundedQueue(), OPERATIONS, tries=5
        ),
    ],
    ids=EXAMPLES,
)
def test_the_output_on_the_page_is_of_this_form(check: Callable[[], Any]) -> None:
    """The same lines; which worker is first, which items, and the count are chance."""
    (shown,) = blocks("text")
    with pytest.raises(NotLinearizable) as raised:
        check()
    for text in (shown, str(raised.value)):
        assert COUNT.search(text)
        found = [next((line for line in text.splitlines() if line.startswith(head)), None) for head in HEADS]
        assert None not in found


def test_the_cache_of_the_examples_is_convicted() -> None:
    with pytest.raises(NotLinearizable, match="not linearizable"):
        check_parallel(naive_lru.NaiveLru, naive_lru.Lru(), naive_lru.OPERATIONS)
    check_parallel(naive_lru.NaiveLru, naive_lru.Lru(), naive_lru.OPERATIONS, workers=1, tries=1)


def test_the_machine_of_the_page_passes_on_one_thread() -> None:
    run_state_machine_as_test(QueueMachine)
