"""The pages are true: their Python runs, their commands exist, their links lead somewhere."""

from __future__ import annotations

import ast
import queue
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from examples.own_channel import LockedQueue, NewestFirst, judge
from harness import Outcome, Program, Verdict, check_history
from harness.cli import cli
from harness.executors import threads
from harness.operation import Kind, message_value
from harness.program import operations
from harness.systems.queues import QueueSystem

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DEADLINE_S = 240

# blocks that are parts of the examples, which have tests of their own
OF_EXAMPLES = {"test-your-own-queue.md", "test-your-own-channel.md"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)\n```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


PYTHON = [
    pytest.param(block, id=f"{named(page)}-{number}")
    for page in PAGES
    if page.name not in OF_EXAMPLES
    for number, block in enumerate(blocks(page, "python"))
]


def commands(page: Path) -> list[str]:
    """The lines of a page that are calls of channel-harness, without prompt and comment."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^(?:\$ )?(channel-harness [^#\n]*)", text, re.MULTILINE)
    quoted = re.findall(r"`(channel-harness [^`\n]+)`", text)
    return [line.strip() for line in [*fenced, *quoted]]


COMMANDS = [(named(page), line) for page in PAGES for line in commands(page)]


def test_there_is_something_to_test() -> None:
    assert len(PYTHON) >= 7
    assert len(COMMANDS) >= 12


@pytest.mark.parametrize("block", PYTHON)
def test_the_python_of_a_page_runs(block: str, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text(block + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_page_has_the_options_that_it_names(page: str, line: str) -> None:
    words = shlex.split(line.replace("[", " ").replace("]", " "))[1:]
    if not words or not words[0].islower() or not words[0].isalpha():
        assert words[0] in ("COMMAND", "--version")
        return
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None, f"{page}: there is no command {words[0]!r}"
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    for word in words[1:]:
        if word.startswith("--"):
            assert word.split("=")[0].rstrip(".,;:)") in options, f"{page}: {line}"


def test_links_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:")) and not (page.parent / target).exists():
                broken.append(f"{named(page)}: {target}")
    assert broken == []


def test_the_code_of_a_channel_of_ones_own_is_the_example() -> None:
    example = (ROOT / "examples" / "own_channel.py").read_text(encoding="utf-8")
    shown = blocks(ROOT / "docs" / "test-your-own-channel.md", "python")
    assert len(shown) == 4
    for block in shown:
        assert block in example
        ast.parse(block)


def test_the_right_channel_is_acquitted_and_the_wrong_one_convicted() -> None:
    assert judge(LockedQueue)[0] is Outcome.PASS
    assert judge(NewestFirst)[0] is Outcome.FAIL


class Forgets(LockedQueue):
    def put(self, item: bytes, block: bool = True, timeout: float | None = None) -> None:
        """Says that it is in."""


class NeverFits(LockedQueue):
    def put(self, item: bytes, block: bool = True, timeout: float | None = None) -> None:
        raise queue.Full


class NeverGives(LockedQueue):
    def get(self, block: bool = True, timeout: float | None = None) -> bytes:
        raise queue.Empty


class Dies(LockedQueue):
    def put(self, item: bytes, block: bool = True, timeout: float | None = None) -> None:
        raise RuntimeError("a bug of the channel")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (Forgets, Outcome.FAIL),
        (NeverGives, Outcome.FAIL),
        (NeverFits, Outcome.INCONCLUSIVE),  # an answer that a full channel may give; but nothing was seen
        (Dies, Outcome.FAIL),
    ],
)
def test_a_channel_in_which_nothing_happens_is_not_a_pass(make: type[LockedQueue], expected: Outcome) -> None:
    writer = operations({"kind": Kind.TRY_WRITE, "value": message_value(0, i), "size": 24} for i in range(3))
    reader = operations([{"kind": Kind.TRY_READ}])
    run = threads.run(Program("idle", (writer, reader), 4096), system=QueueSystem(make), mode="api", deadline_s=1)
    verdicts = check_history(run.history, drained=run.drained, unfinished=run.unfinished)
    assert Verdict.overall(verdicts)[0] is expected
