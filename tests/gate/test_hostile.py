"""The gate where things are not as they should be: each has one clear error, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from harness.commands.gate import command
from harness.gate import run
from harness.gate.counters import agreed, count
from harness.gate.driver import Driver, Memory
from harness.gate.rehearsal import rehearse
from harness.gate.source import BrokenPath, Builder, GateError, Tree, tree_of
from tests.gate.test_source import copy_of_the_core, git

ROOT = Path(__file__).parents[2]


def gate(*arguments: str) -> int:
    code: int = command.main(list(arguments), standalone_mode=False)
    return code


def committed(checkout: Path) -> Path:
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "core")
    return checkout


def worktrees(checkout: Path) -> int:
    listed = subprocess.run(
        ["git", "-C", str(checkout), "worktree", "list"], capture_output=True, text=True, check=True, timeout=60
    )
    return len(listed.stdout.splitlines())


def test_a_revision_before_there_was_a_core_is_named(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("nothing yet\n")
    committed(tmp_path)
    with pytest.raises(GateError, match=r"^HEAD \([0-9a-f]{12}\) holds no channel/core"):
        tree_of(tmp_path, "HEAD")
    assert worktrees(tmp_path) == 1


def test_a_shallow_clone_says_that_the_history_is_missing(tmp_path: Path) -> None:
    origin = committed(copy_of_the_core(tmp_path / "origin"))
    git(origin, "commit", "-q", "--allow-empty", "-m", "second")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{origin}", str(shallow))
    with pytest.raises(GateError, match=r"shallow.*fetch-depth: 0"):
        tree_of(shallow, "HEAD~1")


def test_a_first_commit_has_no_other_before_it(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"'HEAD~1' is neither a folder nor a revision"):
        tree_of(committed(copy_of_the_core(tmp_path)), "HEAD~1")


def test_without_git_a_revision_is_an_error_and_a_folder_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_of_the_core(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GateError, match=r"git does not answer"):
        tree_of(tmp_path, "HEAD")
    assert tree_of(tmp_path, str(tmp_path)).files


def test_a_hook_of_git_does_not_lose_its_index_to_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a hook git's variables name the index that is being committed."""
    checkout = committed(copy_of_the_core(tmp_path))
    index = checkout / ".git" / "index"
    before = index.read_bytes()
    monkeypatch.setenv("GIT_INDEX_FILE", str(index))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert tree_of(checkout, "HEAD").files
    assert index.read_bytes() == before


INTERRUPTED = """
import sys
from harness.cli import cli
sys.exit(cli(["gate", "--reference", "HEAD"]))
"""
HELD_UP = {
    # git has made the worktree and has not told yet; the compiler is at work
    "git": '#!/bin/sh\n{real} "$@" || exit\ncase "$*" in *"worktree add"*) touch {begun}; exec sleep 60;; esac\n',
    "g++": '#!/bin/sh\n[ "$1" = --version ] && exec {real} "$@"\ntouch {begun}\nexec sleep 60\n',
}


@pytest.mark.parametrize("held_up", HELD_UP)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_worktree_and_nothing_half_built(
    checkout_copy: Path, tmp_path: Path, held_up: str, number: signal.Signals
) -> None:
    checkout = committed(checkout_copy)
    begun, programs, temporary = tmp_path / "begun", tmp_path / "programs", tmp_path / "temporary"
    programs.mkdir()
    temporary.mkdir()
    program = programs / held_up
    program.write_text(HELD_UP[held_up].format(real=shutil.which(held_up), begun=begun))
    program.chmod(0o755)
    environment = {**os.environ, "TMPDIR": str(temporary), "PATH": f"{programs}:{os.environ['PATH']}"}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", INTERRUPTED],
        cwd=checkout,
        env=environment,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    ) as child:
        while not begun.exists():
            assert child.poll() is None
        os.killpg(child.pid, number)
        assert child.wait(timeout=30) == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert worktrees(checkout) == 1
    assert not list(temporary.iterdir())
    assert not list(checkout.glob("build/gate/build-*"))


def test_a_compiler_that_is_killed_has_its_words_told(tmp_path: Path) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "any 1" && exit\necho "out of memory" >&2\nexit 1\n')
    compiler.chmod(0o755)
    builder = Builder(ROOT, tmp_path / "cache", compiler=str(compiler))
    with pytest.raises(GateError, match=r"does not compile against .*: out of memory"):
        builder.build(tree_of(ROOT, str(ROOT)), "counters.cpp")
    assert not list((tmp_path / "cache").iterdir())


def test_a_compiler_may_have_a_launcher_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "env LC_ALL=C g++")
    assert "g++" in Builder(ROOT, tmp_path).compiler


def test_builds_do_not_pile_up(tmp_path: Path) -> None:
    old = [tmp_path / f"counters-{number:024}.so" for number in range(60)]
    for number, path in enumerate(old):
        path.touch()
        os.utime(path, (number, number))
    compiler = tmp_path.parent / "compiler"
    compiler.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "any 1" && exit\nfor last; do :; done\ntouch "$last"\n'
    )
    compiler.chmod(0o755)
    made = Builder(ROOT, tmp_path, str(compiler)).build(tree_of(ROOT, str(ROOT)), "counters.cpp")
    kept = set(tmp_path.iterdir())
    assert made in kept
    assert old[-1] in kept
    assert old[0] not in kept
    assert len(kept) < 60


def broken_reads(checkout: Path, instead: str) -> None:
    header = checkout / "channel" / "core" / "channel.hpp"
    text = header.read_text(encoding="utf-8")
    begin = "Position load_head() {"
    assert text.count(begin) == 1
    header.write_text(text.replace(begin, f"{begin} {instead}"), encoding="utf-8")


def test_a_status_that_is_not_the_schedules_is_a_violation_and_is_not_accepted(
    checkout_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout_copy)
    header = checkout_copy / "channel" / "core" / "channel.hpp"
    text = header.read_text(encoding="utf-8")
    taken = "return move_head(head.position, head.next()) ? Status::ok : Status::conflict;  // LP of ok\n    }"
    header.write_text(text.replace(taken, taken.replace("Status::ok", "Status::full")), encoding="utf-8")
    before = agreed(checkout_copy)
    for argument in ("--counters-only", "--accept-counters"):
        assert gate(argument) == 1
        assert "read of 8 bytes" in capsys.readouterr().err
    assert agreed(checkout_copy) == before


@pytest.mark.parametrize(
    ("instead", "words"), [("__builtin_trap();", "SIGILL"), ('for (;;) asm volatile("");', "did not come back")]
)
def test_a_core_that_crashes_or_hangs_does_not_take_the_gate_with_it(tmp_path: Path, instead: str, words: str) -> None:
    broken_reads(copy_of_the_core(tmp_path / "tree"), instead)
    builder = Builder(ROOT, tmp_path / "cache")
    with pytest.raises(BrokenPath, match=words):
        count(builder, tree_of(ROOT, str(tmp_path / "tree")), patience_s=2)


def test_a_reference_that_does_not_work_is_not_the_candidates_fault(
    checkout_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(_builder: Builder, tree: Tree, *_: object) -> Path:
        return Path(tree.name)

    def rehearsed(library: Path) -> None:
        if library.name == "reference":
            raise BrokenPath("the path pair-8 does not work")

    copy_of_the_core(checkout_copy / "reference")
    monkeypatch.setattr(Builder, "build", built)
    monkeypatch.setattr(run, "count", lambda *_: agreed(ROOT))
    monkeypatch.setattr(run, "rehearse", rehearsed)
    with pytest.raises(GateError, match=r"the folder .*reference cannot be a reference: the path pair-8") as caught:
        run.run_gate(checkout_copy, str(checkout_copy / "reference"))
    assert not isinstance(caught.value, BrokenPath)


@pytest.mark.parametrize(
    ("broken", "error"), [("candidate", BrokenPath), ("reference", GateError)], ids=["candidate", "reference"]
)
@pytest.mark.parametrize(
    ("instead", "words"), [("__builtin_trap();", "SIGILL"), ('for (;;) asm volatile("");', "did not come back")]
)
def test_a_build_that_breaks_after_its_rehearsal_is_named(
    tmp_path: Path, broken: str, error: type[GateError], instead: str, words: str
) -> None:
    broken_reads(copy_of_the_core(tmp_path / "tree"), instead)
    builder = Builder(ROOT, tmp_path / "cache")
    works, does_not = (builder.build(tree_of(ROOT, str(root))) for root in (ROOT, tmp_path / "tree"))
    builds = (works, "the old one", does_not) if broken == "candidate" else (does_not, "the old one", works)
    with pytest.raises(GateError, match=words) as caught:
        run._measured_apart(*builds, floors={}, progress=lambda _: None, patience_s=2)
    assert type(caught.value) is error
    assert str(caught.value).startswith("the old one cannot be a reference: ") == (broken == "reference")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--short"],
        ["--self-test", "--counters-only"],
        ["--self-test", "--reference", "HEAD"],
        ["--accept-counters", "--counters-only"],
        ["--counters-only", "--report", "somewhere"],
        ["--accept-counters", "--strict"],
    ],
)
def test_options_that_mean_nothing_together_are_refused(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError, match=r"--"):
        gate(*arguments)


@pytest.mark.parametrize("option", ["--json", "--history"])
def test_what_cannot_be_written_is_told_before_the_work(
    option: str, checkout_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout_copy)
    (checkout_copy / "file").touch()
    with pytest.raises(click.UsageError, match=r"cannot write .*file/below"):
        gate(option, str(checkout_copy / "file" / "below"))
    assert not list((checkout_copy / "build").glob("gate/*.so"))


@pytest.mark.parametrize(
    ("copy", "path"),
    [
        ("void copy_out(std::byte* to, Offset at, std::size_t size) const {", "pair-8"),
        ("std::byte* from = base_ + at;\n        if (size >= kBulk) return bulk_copy(to, from, size);", "pair-1024"),
    ],
)
def test_a_core_that_says_ok_and_carries_nothing_does_not_work(tmp_path: Path, copy: str, path: str) -> None:
    header = copy_of_the_core(tmp_path / "tree") / "channel" / "core" / "real_memory.hpp"
    text = header.read_text(encoding="utf-8")
    assert text.count(copy) == 1
    nothing = copy.replace("return bulk_copy(to, from, size);", "return;") if "kBulk" in copy else f"{copy} return;"
    header.write_text(text.replace(copy, nothing), encoding="utf-8")
    builder = Builder(ROOT, tmp_path / "cache")
    with pytest.raises(BrokenPath, match=f"the path {path} does not work"):
        rehearse(builder.build(tree_of(ROOT, str(tmp_path / "tree"))))


def test_a_thread_that_does_not_come_to_its_turn_is_waited_for(tmp_path: Path) -> None:
    """On a busy machine it may have no CPU for longer than a slice, which is no fault of the channel."""
    cpu = min(os.sched_getaffinity(0))
    library = Builder(ROOT, tmp_path).build(tree_of(ROOT, str(ROOT)))
    with Memory() as memory:
        driver = Driver(library, memory)
        assert all(min(driver.contended((cpu, cpu), 1)) > 0 for _ in range(20))


def test_a_core_that_crashes_does_not_take_the_self_test_with_it(
    checkout_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout_copy)
    broken_reads(checkout_copy, "__builtin_trap();")
    assert gate("--self-test", "--short") == 1
    assert "FAIL: a path was killed by SIGILL" in capsys.readouterr().err


COUNTING = """
import sys
from pathlib import Path
from harness.gate.rehearsal import counters_text
counters_text(Path(sys.argv[1]))
"""


def having_loaded(library: Path, parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if str(library) in Path(f"/proc/{child}/maps").read_text()]


def test_a_core_that_hangs_does_not_outlive_a_gate_that_was_killed(tmp_path: Path) -> None:
    broken_reads(copy_of_the_core(tmp_path / "tree"), 'for (;;) asm volatile("");')
    library = Builder(ROOT, tmp_path / "cache").build(tree_of(ROOT, str(tmp_path / "tree")), "counters.cpp")
    with subprocess.Popen([sys.executable, "-P", "-c", COUNTING, str(library)]) as parent:
        end = time.monotonic() + 60
        while not (loaded := having_loaded(library, parent.pid)):
            assert parent.poll() is None
            assert time.monotonic() < end, parent.kill()
        parent.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{loaded[0]}").exists():
        assert time.monotonic() < end, os.kill(loaded[0], signal.SIGKILL)
        time.sleep(0.05)
