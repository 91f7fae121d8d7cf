"""The estimate of a program's size: within a stated factor where the size is known, and said where it is not."""

from __future__ import annotations

import re
import shlex

import pytest
from click.testing import CliRunner, Result

from harness import _explorer
from harness.explore import examine, subject_of
from harness.explore.command import command
from harness.explore.estimate import WIDTH, Size, about, estimate_size
from harness.explore.programs import SMALL, small_scenario
from harness.verdict import Outcome

SEEDS = range(1, 6)
FACTOR = 2.0
"""Of the true size, as docs/explorer.md says it of ten probes."""


@pytest.mark.parametrize(("workers", "operations", "size"), [(3, 3, 81_124), (4, 2, 486_136)])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_size_of_a_known_program_is_estimated_within_a_factor_of_two(
    workers: int, operations: int, size: int, seed: int
) -> None:
    subject = _explorer.vyukov_queue(workers, operations)
    estimate = _explorer.estimate(subject, waiting=False, probes=10, width=WIDTH, seconds=60.0, seed=seed)
    assert estimate.probes == 10
    assert not estimate.exact
    assert size / FACTOR < estimate.mean < size * FACTOR
    assert size / FACTOR < estimate.median < size * FACTOR
    assert estimate.lowest < min(estimate.mean, estimate.median)
    assert max(estimate.mean, estimate.median) < estimate.highest


@pytest.mark.parametrize("width", [1, 10, 100])
def test_the_mean_of_many_probes_has_no_bias(width: int) -> None:
    """Within four standard errors of the truth, for one path at a time (Knuth's estimate) and for fronts."""
    subject = _explorer.vyukov_queue(4, 1)
    estimate = _explorer.estimate(subject, waiting=False, probes=20_000 // width, width=width, seconds=60.0)
    assert estimate.error < 118 * 0.2
    assert abs(estimate.mean - 118) <= 4 * estimate.error


def test_a_front_that_holds_the_whole_program_is_exact() -> None:
    for operations, size in ((1, 14), (2, 1_388)):
        estimate = _explorer.estimate(_explorer.vyukov_queue(3, operations), waiting=False, width=2_000)
        assert (estimate.exact, estimate.mean, estimate.median, estimate.probes) == (True, size, size, 1)


@pytest.mark.parametrize("name", SMALL)
def test_the_channel_is_estimated_as_the_exhaustive_driver_counts_it(name: str) -> None:
    subject = subject_of(SMALL[name])
    counted = _explorer.explore(subject)
    size = counted.complete + counted.cut
    estimate = _explorer.estimate(subject, probes=10, width=WIDTH, seconds=60.0)
    assert size / FACTOR <= estimate.mean <= size * FACTOR


def test_an_exploration_cut_short_says_how_large_the_program_is() -> None:
    seen = examine(small_scenario("mwmr", messages=4), executions=2_000)
    assert seen.verdict.outcome is Outcome.INCONCLUSIVE
    assert seen.size is not None
    assert seen.size.executions > seen.executions
    assert re.search(
        r"not exhausted, and nothing found: .*; the program has about \de\d+ executions "
        r"\((one probe|\d+ probes from \S+ to \S+)\), about \S+ (min|h|days|years) at this rate; "
        r"sample instead: --driver pct",
        seen.verdict.reason,
    )
    assert examine(SMALL["mwsr"]).size is None
    assert examine(SMALL["mwsr"], driver="pct", executions=100).size is None


def test_a_probe_is_as_narrow_as_the_time_demands() -> None:
    subject = subject_of(small_scenario("mwmr", messages=4))
    wide = _explorer.estimate(subject, probes=2, width=WIDTH, seconds=1e9)
    narrow = _explorer.estimate(subject, probes=2, width=WIDTH, seconds=0.2)
    assert (wide.width, wide.probes) == (WIDTH, 2)
    assert 32 <= narrow.width < WIDTH


def test_where_no_probe_ends_in_time_there_is_no_size() -> None:
    subject = subject_of(small_scenario("mwmr", messages=4))
    size = estimate_size(subject, model="rc11", seen=1, taken=1.0, seconds=0.0)
    assert (size.probes, str(size)) == (0, "how large the program is could not be estimated in this time")


def test_an_estimate_below_what_was_seen_is_none() -> None:
    subject = _explorer.vyukov_queue(3, 2)
    size = estimate_size(subject, model="rc11", seen=10**9, taken=1.0, seconds=1.0)
    assert (size.probes, str(size)) == (0, "how large the program is could not be estimated in this time")
    assert estimate_size(subject, model="rc11", seen=1, taken=1.0, seconds=1.0).executions > 1


def test_a_single_probe_has_no_spread() -> None:
    assert "(one probe), about 40 min" in str(Size(1e6, 1e6, 1e6, 1, 2_400.0))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), standalone_mode=False)


def test_the_command_offers_a_sampling_command_that_runs() -> None:
    result = run("mwmr", "--messages", "5", "--seconds", "0.5")
    assert result.return_value == 4
    assert "the program has about" in result.output
    line = next(line for line in result.output.splitlines() if line.startswith("sample: "))
    program, name, *offered = shlex.split(line.removeprefix("sample: "))
    assert (program, name) == ("channel-harness", "explore")
    assert offered == ["mwmr", "--messages=5", "--driver", "pct", "--model", "rc11"]
    sampled = run(*offered, "--executions", "200")
    assert sampled.exception is None
    assert sampled.return_value == 4
    assert "not exhausted, and nothing found: " in sampled.output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "about 0 s"),
        (12.0, "about 12 s"),
        (2_400.0, "about 40 min"),
        (7_300.0, "about 2 h"),
        (86_400.0 * 3, "about 3 days"),
        (3.2e9, "about 101 years"),
        (3.2e15, "about 1e8 years"),
    ],
)
def test_a_duration_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert about(seconds) == text


def test_a_size_is_told_as_an_order_of_magnitude() -> None:
    assert str(Size(2.9e9, 3e8, 4.1e9, 12, 2_400.0)) == (
        "the program has about 3e9 executions (12 probes from 3e8 to 4e9), about 40 min at this rate"
    )


def test_an_estimate_without_a_probe_is_refused() -> None:
    with pytest.raises(ValueError, match="takes a probe"):
        _explorer.estimate(_explorer.vyukov_queue(2, 1), probes=0)
    with pytest.raises(ValueError, match="takes a probe"):
        _explorer.estimate(_explorer.vyukov_queue(2, 1), width=0)
