"""What long work says where nobody looks at a terminal."""

from __future__ import annotations

import re
import time

import pytest

from harness.commands import talk
from harness.commands.talk import Talk
from harness.verdict import Outcome


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "QUIET_S", 0.3)
    monkeypatch.setenv("CI", "1")


@pytest.mark.usefixtures("quiet")
def test_without_a_terminal_long_work_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with Talk(2) as saying:
        saying.begin("mwmr   processes native")
        saying.say("it failed; running it again, 1 of at most 5")
        time.sleep(1.0)
        saying.end("mwmr   processes native", Outcome.FAIL, "one message came out twice")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all(
        re.fullmatch(r"\[1/2\] mwmr processes native: it failed; running it again, 1 of at most 5, \d s", line)
        for line in lines[:-1]
    )
    assert lines[-1].startswith("FAIL         mwmr   processes native")


@pytest.mark.usefixtures("quiet")
def test_work_that_is_soon_done_says_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Talk(1) as saying:
        saying.begin("swsr")
        saying.say("self-test")
        saying.end("swsr", Outcome.PASS, "1 assertion holds")
        time.sleep(0.5)
    assert len(capsys.readouterr().err.splitlines()) == 1
