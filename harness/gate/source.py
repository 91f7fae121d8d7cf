"""The trees that the gate compares: the checkout it runs in, a folder, or a revision of git; and their builds."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
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
        return _folder(folder, reference)
    return _revision(root, reference)


def _folder(folder: Path, name: str) -> Tree:
    paths = sorted((folder / CORE).glob("*.hpp"))
    if not paths:
        raise GateError(f"the folder {name} holds no {CORE}/*.hpp")
    return Tree(name, tuple((path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths))


def _revision(root: Path, revision: str) -> Tree:
    """Checked out into a worktree of its own, which is gone again when its files have been read."""
    named = None if revision.startswith("-") else _git(root, "rev-parse", "--verify", f"{revision}^{{commit}}")
    if named is None:
        raise GateError(f"{revision!r} is neither a folder nor a revision here (a CI checkout needs its history)")
    commit = named.strip()
    with tempfile.TemporaryDirectory(prefix="channel-gate-") as parent:
        worktree = Path(parent) / "tree"
        if _git(root, "worktree", "add", "--detach", str(worktree), commit) is None:
            raise GateError(f"git cannot check {revision} out into a worktree of its own")
        try:
            return _folder(worktree, f"{revision} ({commit[:12]})")
        finally:
            _git(root, "worktree", "remove", "--force", str(worktree))


def _git(root: Path, *arguments: str) -> str | None:
    """What git printed, or None if it refused."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=_LONGEST_GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GateError(f"git does not answer: {error}") from error
    return done.stdout if done.returncode == 0 else None


class Builder:
    """Compiles the driver against trees, and keeps what it made.

    A build is known by all that goes into it: the tree, the driver's sources, the compiler, the flags.
    """

    def __init__(self, root: Path, cache: Path | None = None, compiler: str | None = None) -> None:
        self._driver = root / DRIVER
        self._cache = cache or root / "build" / "gate"
        self._compiler = compiler or os.environ.get("CXX") or "g++"
        try:
            version = subprocess.run(
                [self._compiler, "--version"], capture_output=True, text=True, timeout=_LONGEST_GIT_S, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise GateError(f"the gate needs a C++20 compiler; {self._compiler} does not answer: {error}") from error
        self.compiler = version.splitlines()[0]
        self._inputs = [self.compiler.encode(), *(flag.encode() for flag in FLAGS)]
        self._inputs += [path.read_bytes() for path in sorted(self._driver.iterdir())]

    def build(self, tree: Tree, source: str = "driver.cpp", defines: Sequence[str] = ()) -> Path:
        """The shared object of `source` against `tree`.

        Raises:
            GateError: it does not compile; the compiler's first errors.
        """
        key = _digest([tree.digest.encode(), source.encode(), *(name.encode() for name in defines), *self._inputs])
        made = self._cache / f"{Path(source).stem}-{key}.so"
        if made.is_file():
            return made
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=self._cache) as folder:
            sources, result = Path(folder), Path(folder) / "driver.so"
            for path, text in tree.files:
                (sources / path).parent.mkdir(parents=True, exist_ok=True)
                (sources / path).write_bytes(text)
            command = [self._compiler, *FLAGS, "-I", str(sources), *(f"-D{name}" for name in defines)]
            command += [str(self._driver / source), "-o", str(result)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_BUILD_S, check=False)
            except subprocess.TimeoutExpired as error:
                raise GateError(f"compiling {tree.name} took longer than {_LONGEST_BUILD_S} s") from error
            if done.returncode != 0:
                errors = [line for line in done.stderr.splitlines() if "error" in line][:3]
                raise GateError(f"the driver does not compile against {tree.name}: " + "; ".join(errors))
            result.replace(made)
        return made


def _digest(parts: Sequence[bytes]) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()[:24]
