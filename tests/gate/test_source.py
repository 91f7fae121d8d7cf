"""Trees and their builds."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.gate.source import Builder, GateError, checkout, tree_of

ROOT = Path(__file__).parents[2]


def copy_of_the_core(to: Path) -> Path:
    shutil.copytree(ROOT / "channel" / "core", to / "channel" / "core")
    return to


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, timeout=60)


def test_the_checkout_is_found_from_below() -> None:
    assert checkout(ROOT / "harness" / "native") == ROOT


def test_outside_a_checkout_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="in no checkout"):
        checkout(tmp_path)


def test_a_folder_and_a_revision_with_the_same_files_are_the_same_tree(tmp_path: Path) -> None:
    copy_of_the_core(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "core")
    revision = tree_of(tmp_path, "HEAD")
    assert revision.digest == tree_of(tmp_path, str(tmp_path)).digest
    listed = subprocess.run(
        ["git", "-C", str(tmp_path), "worktree", "list"], capture_output=True, text=True, check=True, timeout=60
    )
    assert len(listed.stdout.splitlines()) == 1, "the worktree of the reference is left behind"


def test_another_file_is_another_tree(tmp_path: Path) -> None:
    copy = copy_of_the_core(tmp_path)
    before = tree_of(ROOT, str(copy)).digest
    header = copy / "channel" / "core" / "retry.hpp"
    header.write_text(header.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert tree_of(ROOT, str(copy)).digest != before


@pytest.mark.parametrize("name", ["no-such-revision", "--help"])
def test_what_is_neither_folder_nor_revision_is_an_error(name: str) -> None:
    with pytest.raises(GateError, match="neither a folder nor a revision"):
        tree_of(ROOT, name)


def test_a_folder_without_a_core_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"holds no channel/core"):
        tree_of(ROOT, str(tmp_path))


def test_a_compiler_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="needs a C\\+\\+20 compiler"):
        Builder(ROOT, tmp_path, compiler=str(tmp_path / "no-compiler"))


def test_a_tree_that_does_not_compile_is_an_error_with_the_compilers_words(tmp_path: Path) -> None:
    copy = copy_of_the_core(tmp_path / "tree")
    (copy / "channel" / "core" / "channel.hpp").write_text("#error broken on purpose\n", encoding="utf-8")
    with pytest.raises(GateError, match="broken on purpose"):
        Builder(ROOT, tmp_path / "cache").build(tree_of(ROOT, str(copy)), "counters.cpp")


def test_a_build_is_made_once(tmp_path: Path) -> None:
    builder, tree = Builder(ROOT, tmp_path), tree_of(ROOT, str(ROOT))
    made = builder.build(tree, "counters.cpp")
    before = made.stat().st_ino
    assert builder.build(tree, "counters.cpp") == made
    assert made.stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == [made.name]


def test_a_disk_that_is_full_is_an_error_that_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    builder, tree = Builder(ROOT, tmp_path), tree_of(ROOT, str(ROOT))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(GateError, match=rf"{tmp_path}, which cannot be written: No space left"):
        builder.build(tree, "counters.cpp")
    assert not list(tmp_path.iterdir())
