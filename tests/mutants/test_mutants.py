"""The list of planted bugs, and how one is named."""

from __future__ import annotations

import re

import pytest

from harness import _native, mutants
from harness.mutants import MutantError, Nature


def test_names_are_distinct_and_in_kebab_case() -> None:
    names = [mutant.name for mutant in mutants.all_mutants()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_every_mutant_has_a_design_and_says_what_it_does() -> None:
    for mutant in mutants.all_mutants():
        assert isinstance(mutant.design(), _native.Planted)
        assert len(mutant.description) > 20
        assert mutant.found_by in {"integrity", "fifo", "timeliness", "progress", "state"}


def test_a_name_is_parsed_with_and_without_a_number() -> None:
    assert mutants.parse("torn-payload").every == 0
    assert mutants.parse("torn-payload:7").every == 7
    assert mutants.parse("torn-payload:7").spec == "torn-payload:7"
    assert mutants.parse("publish-relaxed").nature is Nature.WEAK


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no-such-bug", "there are: doubled-message, "),
        ("", "no planted bug ''"),
        ("Torn-Payload", "no planted bug"),
        ("torn-payload:0", "n from 1; got 0"),
        ("torn-payload:x", "no planted bug"),
        ("publish-relaxed:3", "does not strike every n-th call"),
    ],
)
def test_a_wrong_name_is_refused_with_what_would_be_right(spec: str, message: str) -> None:
    with pytest.raises(MutantError, match=re.escape(message)):
        mutants.parse(spec)


def test_the_list_for_people_names_every_mutant() -> None:
    text = mutants.describe()
    assert all(mutant.name in text and mutant.description in text for mutant in mutants.all_mutants())


def test_a_number_of_calls_changes_how_often_a_bug_strikes() -> None:
    """Every 3rd message of 30 is torn: 10 of them."""
    from channel import suggest_size
    from harness.systems.channel import planted_class

    channel = planted_class(mutants.parse("torn-payload:3")).create_in(bytearray(suggest_size(4096)))
    for number in range(30):
        channel.write(_native.make_payload(number, 24))
    torn = [not _native.read_payload(channel.read().data)[1] for _ in range(30)]
    assert [number for number, strange in enumerate(torn) if strange] == list(range(2, 30, 3))


def test_the_production_channel_knows_no_mutants() -> None:
    from channel import _core

    assert not [name for name in dir(_core) if "lanted" in name or "utant" in name]
