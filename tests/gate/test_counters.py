"""The exact counters: this tree's are the agreed ones, and a step more or less is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.gate.counters import Difference, agreed, compare, count
from harness.gate.source import Builder, tree_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    return Builder(ROOT, tmp_path_factory.mktemp("gate"))


def test_the_counters_of_this_tree_are_the_agreed_ones(builder: Builder) -> None:
    counters = count(builder, tree_of(ROOT, str(ROOT)))
    assert len(counters) >= 25
    differences = [str(difference) for difference in compare(agreed(ROOT), counters)]
    assert not differences, "if this is wanted: channel-harness gate --accept-counters, in the same commit"


PLANTED = [
    # one more load in every read; a write that looks at head although head_cache says there is room; a writer that
    # wakes although nobody sleeps
    ("load_head() {", "load_head() { memory_.load(at::head, std::memory_order_relaxed);", "read of 8 bytes", "loads"),
    (
        "if (end - memory_.load(at::head_cache, std::memory_order_relaxed) <= room) return Status::ok;",
        "if (end - memory_.load(at::head_cache, std::memory_order_relaxed) > 2 * room) return Status::full;",
        "write of 8 bytes",
        "stores",
    ),
    ("if (memory_.load(at::sleepers, std::memory_order_relaxed) != 0 &&", "if (", "write of 8 bytes", "read-modify"),
    # a write that is tried again for nothing; a wake-up that asks the kernel twice
    (
        "        id = tail;\n",
        "        id = tail;\n        if (++again_ % 2 == 1) return give_owner(), Status::conflict;\n",
        "write of 8 bytes",
        "conflicts",
    ),
    (
        "memory_.wake_all(at::seq);",
        "memory_.wake_all(at::seq); memory_.wake_all(at::seq);",
        "write beside a sleeping",
        "futex",
    ),
]


@pytest.mark.parametrize(("text", "instead", "schedule", "counter"), PLANTED)
def test_a_planted_step_is_noticed(
    builder: Builder, tmp_path: Path, text: str, instead: str, schedule: str, counter: str
) -> None:
    shutil.copytree(ROOT / "channel" / "core", tmp_path / "channel" / "core")
    header = tmp_path / "channel" / "core" / "channel.hpp"
    source = header.read_text(encoding="utf-8")
    assert source.count(text) == 1
    planted = source.replace(text, instead).replace("M memory_;", "M memory_; unsigned again_ = 0;")
    header.write_text(planted, encoding="utf-8")
    differences = compare(agreed(ROOT), count(builder, tree_of(ROOT, str(tmp_path))))
    assert any(d.schedule.startswith(schedule) and d.counter.startswith(counter) for d in differences)


def test_every_kind_of_difference_is_found() -> None:
    before = {"same": {"loads": 2}, "more": {"loads": 2}, "gone": {"loads": 2}}
    now = {"same": {"loads": 2}, "more": {"loads": 3, "fences": 1}, "new": {"loads": 1}}
    assert set(compare(before, now)) == {
        Difference("more", "loads", 2, 3),
        Difference("more", "fences", None, 1),
        Difference("gone", "loads", 2, None),
        Difference("new", "loads", None, 1),
    }
    assert str(Difference("more", "fences", None, 1)) == "more: fences: agreed 0, counted 1"
