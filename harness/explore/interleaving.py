"""A replayed execution as the record keeps it: the steps in the order of the schedule, each beside its source line.

The lines are read when the execution is traced, so that a record shows them wherever it is opened. The explorer knows a
source by the path that it was compiled from; what is installed lies beside this package.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path, PurePath

from harness import _explorer
from harness.explore.exploration import ExploreError, Model
from harness.explore.subject import subject_among, subject_of
from harness.explore.trace import access
from harness.program import Program
from harness.record import Interleaving, Step

__all__ = ["interleaving", "source_line", "trace"]

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("channel", "harness")
_NOBODY = -1
_DEATH = "dead["


def trace(
    program: Program,
    schedule: str,
    *,
    model: Model,
    mutant: str,
    every: int,
    kills: tuple[tuple[int, int], ...],
    alone: int | None,
    reckoned: int = 0,
) -> tuple[list[_explorer.Step], _explorer.Failure | None]:
    """One execution again, access by access, and its failure if it has one; arguments as for ``explore.replay``.

    Raises:
        ExploreError: the schedule is malformed or belongs to another program.
    """
    among = partial(subject_among, program, mutant=mutant, every=every, kills=kills, reckoned=reckoned, alone=alone)
    # of the survivors' program too where nobody dies: what the driver 'crash' finds while everybody lives; and of the
    # program as it is where somebody does: what was killed step by step
    candidates = [among(), among(survivors=True)]
    if alone is None:
        candidates.append(subject_of(program, mutant=mutant, every=every, kills=kills, reckoned=reckoned))
    subject = next((each for each in candidates if _belongs(schedule, each)), candidates[0])
    try:
        return _explorer.trace(subject, schedule, model=model, alone=_NOBODY if alone is None else alone)
    except ValueError as error:
        raise ExploreError(str(error)) from error


def _belongs(schedule: str, subject: _explorer.Subject) -> bool:
    return schedule.split(":")[1:2] == [subject.fingerprint]


def interleaving(workers: int, traced: Sequence[_explorer.Step], failure: _explorer.Failure | None) -> Interleaving:
    """The steps, a kill in place of the store by which the explorer remembers one, and the fault.

    Args:
        workers: of the program. traced, failure: of `trace`.
    """
    steps = []
    for step in traced:
        if step.location.startswith(_DEATH):
            steps.append(Step(step.worker, "", note=f"killed before its access {step.index}"))
            continue
        place, code = source_line(step.file, step.line)
        stale = step.stale if step.kind == "read" else 0
        steps.append(Step(step.worker, access(step), stale, "", place, step.line, code))
    if failure is not None:
        place, code = source_line(failure.file, failure.line)
        note = f"{failure.fault}: {failure.what}"
        steps.append(Step(failure.worker, "", 0, note, place, failure.line if place else 0, code))
    return Interleaving(workers, tuple(steps))


def source_line(file: str, line: int) -> tuple[str, str]:
    """The path of a source from its package on, and that line of it; empty where it is not at hand."""
    parts = PurePath(file).parts
    # a checkout may lie in a folder of such a name itself: what is there decides
    for index in (index for index, part in enumerate(parts) if part in _PACKAGES):
        path = PurePath(*parts[index:])
        lines = _lines(path)
        if 0 < line <= len(lines):
            return path.as_posix(), lines[line - 1].strip()
    return PurePath(file).name, ""


@cache
def _lines(path: PurePath) -> Sequence[str]:
    try:
        return (_ROOT / path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
