"""The trees that the gate compares: the checkout it runs in, a folder, or a revision of git; and their builds."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BrokenPath", "Builder", "GateError", "Tree", "checkout", "tree_of"]

CORE = Path("channel/core")
DRIVER = Path("harness/native/bench")
FLAGS = ("-std=c++20", "-O3", "-DNDEBUG", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-gnu-unique", "-pthread")
"""As the extension is built. -fno-gnu-unique: two trees in one process must not share their static variables."""
_LONGEST_BUILD_S = 300
_LONGEST_GIT_S = 60
_OF_A_HOOK = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
_MOST_BUILDS = 40
_LONGEST_LEFTOVER_S = 24 * 3600


class GateError(Exception):
    """The gate cannot run: what was wrong, and what would be right."""


class BrokenPath(GateError):
    """What was built does not do what it is for: a violation, which outweighs every timing."""


@dataclass(frozen=True)
class Tree:
    """Sources of a core.

    Attributes:
        name: for people: a revision or a folder.
        files: of channel/core: path below the tree's root, and contents; what decides whether two trees are the same.
    """

    name: str
    files: tuple[tuple[str, bytes], ...]

    @property
    def digest(self) -> str:
        return _digest([part for path, text in self.files for part in (path.encode(), text)])


def checkout(start: Path) -> Path:
    """The root of the checkout around `start`: the gate compiles its driver from there.

    Raises:
        GateError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / CORE / "channel.hpp").is_file() and (folder / DRIVER / "driver.cpp").is_file():
            return folder
    raise GateError(f"{start} is in no checkout of this project; the gate compiles {DRIVER} against {CORE}")


def tree_of(root: Path, reference: str) -> Tree:
    """The tree that `reference` names: a folder with channel/core in it, or a revision of the checkout `root`.

    Raises:
        GateError: neither.
    """
    folder = Path(reference)
    if folder.is_dir():
        return _folder(folder, f"the folder {reference}")
    return _revision(root, reference)


def _folder(folder: Path, name: str) -> Tree:
    paths = sorted((folder / CORE).glob("*.hpp"))
    if not paths:
        raise GateError(f"{name} holds no {CORE}/*.hpp")
    return Tree(name, tuple((path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths))


def _revision(root: Path, revision: str) -> Tree:
    """Checked out into a worktree of its own, which is gone again when its files have been read."""
    commit, words = _git(root, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise GateError(f"{revision!r} is neither a folder nor a revision here: {_why(root, words)}")
    commit = commit.strip()
    with tempfile.TemporaryDirectory(prefix="channel-gate-") as parent:
        worktree = Path(parent) / "tree"
        try:
            made, words = _git(root, "worktree", "add", "--detach", str(worktree), commit)
            if made is None:
                raise GateError(f"git cannot check {revision} out into a worktree of its own: {words}")
            return _folder(worktree, f"{revision} ({commit[:12]})")
        finally:
            # twice: also one that git still held when it was interrupted
            if worktree.exists() and _git(root, "worktree", "remove", "--force", "--force", str(worktree))[0] is None:
                shutil.rmtree(worktree, ignore_errors=True)
                _git(root, "worktree", "prune")


def _why(root: Path, words: str) -> str:
    if (_git(root, "rev-parse", "--is-shallow-repository")[0] or "").strip() == "true":
        return "this clone is shallow; fetch its history (actions/checkout: fetch-depth: 0)"
    return words or "git knows no such commit"


def _git(root: Path, *arguments: str) -> tuple[str | None, str]:
    """What git printed, or None if it refused; and the last line of its complaints. No hook is run."""
    # within a hook, git's own variables name the repository and the index that are being committed
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    command = ["git", "-c", f"core.hooksPath={os.devnull}", "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LONGEST_GIT_S, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GateError(f"git does not answer ({error}); without git, name a folder, or no reference") from error
    complaints = done.stderr.strip().splitlines() or [""]
    return done.stdout if done.returncode == 0 else None, complaints[-1]


class Builder:
    """Compiles the driver against trees, and keeps what it made.

    A build is known by all that goes into it: the tree, the driver's sources, the compiler, the flags.
    """

    def __init__(self, root: Path, cache: Path | None = None, compiler: str | None = None) -> None:
        self._driver = root / DRIVER
        self._cache = cache or root / "build" / "gate"
        named = compiler or os.environ.get("CXX") or "g++"
        self._compiler = shlex.split(named)  # with a launcher before it, or flags behind it
        try:
            version = subprocess.run(
                [*self._compiler, "--version"], capture_output=True, text=True, timeout=_LONGEST_GIT_S, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise GateError(f"the gate needs a C++20 compiler; {named} does not answer: {error}") from error
        self.compiler = (version.splitlines() or [named])[0]
        # clang has no such flag and needs none
        self._flags = [flag for flag in FLAGS if flag != "-fno-gnu-unique" or "clang" not in self.compiler]
        self._inputs = [part.encode() for part in (self.compiler, *self._compiler[1:], *self._flags)]
        self._inputs += [path.read_bytes() for path in sorted(self._driver.iterdir())]

    def build(self, tree: Tree, source: str = "driver.cpp", defines: Sequence[str] = ()) -> Path:
        """The shared object of `source` against `tree`.

        Raises:
            GateError: it does not compile; the compiler's first errors.
        """
        key = _digest([tree.digest.encode(), source.encode(), *(name.encode() for name in defines), *self._inputs])
        made = self._cache / f"{Path(source).stem}-{key}.so"
        if made.is_file():
            os.utime(made)  # it is in use: not the next to be removed
            return made
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            self._tidy()
            with tempfile.TemporaryDirectory(prefix="build-", dir=self._cache) as folder:
                self._compile(tree, source, defines, Path(folder)).replace(made)
        except OSError as error:
            raise GateError(f"builds are kept in {self._cache}, which cannot be written: {error.strerror}") from error
        return made

    def _compile(self, tree: Tree, source: str, defines: Sequence[str], folder: Path) -> Path:
        """The shared object, in a folder of its own beside the tree's files."""
        for path, text in tree.files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text)
        result = folder / "driver.so"
        command = [*self._compiler, *self._flags, "-I", str(folder), *(f"-D{name}" for name in defines)]
        command += [str(self._driver / source), "-o", str(result)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_BUILD_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise GateError(f"compiling {tree.name} took longer than {_LONGEST_BUILD_S} s") from error
        except OSError as error:
            raise GateError(f"the compiler cannot be started: {error}") from error
        if done.returncode != 0:
            said = done.stderr.splitlines()
            errors = [line for line in said if "error" in line][:3] or said[-3:] or [f"exit {done.returncode}"]
            raise GateError(f"the driver does not compile against {tree.name}: " + "; ".join(errors))
        return result

    def _tidy(self) -> None:
        """Keep the builds that were used last, and nothing that a kill left half-built."""
        builds = sorted(self._cache.glob("*.so"), key=lambda path: path.stat().st_mtime)
        for path in builds[: max(len(builds) + 1 - _MOST_BUILDS, 0)]:
            path.unlink(missing_ok=True)
        for folder in self._cache.glob("build-*"):
            if time.time() - folder.stat().st_mtime > _LONGEST_LEFTOVER_S:
                shutil.rmtree(folder, ignore_errors=True)


def _digest(parts: Sequence[bytes]) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()[:24]
