"""A recording judged by a sequential specification: what the general search is asked, and what it says to a person."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from harness.checks.alarm import cut_after
from harness.checks.specifications.operation import (
    Operation,
    OutOfTime,
    Specification,
    SpecificationError,
    StepError,
    asking,
)
from harness.checks.specifications.steps import DIFFERENTLY, is_own
from harness.checks.wgl import Search, instants, search
from harness.exchange.calls import Call, Recording
from harness.history import HistoryError
from harness.verdict import Verdict, Witness
from harness.words import counted

__all__ = ["check_specification", "interval", "linearize"]

PROPERTY = "linearizable"
_SHOWN = 8
_GRACE_S = 1.0
"""So much more a specification gets that does not return, before it is cut; else the search ends in good order."""
_CLAIMING_ERRORS = ("empty", "full", "timeout", "mismatch", "closed")
"""Failures that say something of the state; any other certainly had no effect, and says nothing."""
_MOST_ASKED = 10_000
"""So often a specification is asked what it would refuse, if nothing in a history answers."""


def check_specification(recording: Recording, specification: type[Specification], *, budget: float) -> Verdict:
    """Judge a recording; arguments and errors as for `linearize`."""
    return linearize(recording, specification, budget=budget)[0]


def linearize(
    recording: Recording, specification: type[Specification], *, budget: float
) -> tuple[Verdict, tuple[int, ...]]:
    """Judge a recording, and tell the order that was found.

    Args:
        recording: to judge. specification: what it should be of. budget: seconds.

    Returns:
        The verdict, and rows in the order of a linearization; of the longest prefix where there is none.

    Raises:
        HistoryError: the specification does not know an operation of it, or breaks the rules of its form.
    """
    name = getattr(specification, "__name__", str(specification))
    try:
        with cut_after(budget + _GRACE_S):
            return _linearize(recording, specification, name, budget)
    except OutOfTime:
        reason = f"the budget of {budget:g} s ran out, and {name} was cut; no violation of it was found"
        return Verdict.inconclusive(PROPERTY, reason, {}), ()
    except SpecificationError as error:
        raise HistoryError(f"{recording.name}: {name}: {error}") from error


def _linearize(
    recording: Recording, specification: type[Specification], name: str, budget: float
) -> tuple[Verdict, tuple[int, ...]]:
    with asking("the constructor, which takes the capacity or None,"):
        model = specification(recording.header.get("capacity"))
    operations = list(map(_operation, recording.calls))
    _refuse(recording, name, model, operations)
    relevant = [index for index, call in enumerate(recording.calls) if _says_something(call)]
    claims: Callable[[Operation], bool] | None = getattr(model, "claims", None)
    with asking("claims"):
        claiming = [index for index in relevant if (claims or _answers)(operations[index])]
    assertions = _counted(recording.calls[index].f for index in claiming)
    give_up = time.monotonic() + budget
    steps = 0
    cause = ""  # of what was not decided
    order: list[tuple[int, int]] = []
    refusable: list[int] = []
    refuses = False
    parts = _partitions(recording, model, operations, relevant)
    for number, part in enumerate(parts):
        # a part that takes forever must not keep the others from their violation
        now = time.monotonic()
        until = now + (give_up - now) / (len(parts) - number)
        calls = [recording.calls[index] for index in part]
        asked = [operations[index] for index in part]
        try:
            found = search(model, asked, list(map(interval, calls)), batches=_sequences(calls), give_up=until)
            _replay(model, asked, found.order)
        except StepError as error:
            raise HistoryError(f"{recording.name}:{calls[error.operation].line}: {name}: {error}") from error
        steps += found.steps
        if found.linearizable is None:
            cause = f"the budget of {budget:g} s" if time.monotonic() >= until else "the memory for its states (1 GB)"
        elif not found.linearizable:
            return _failure(recording, part, found, assertions), tuple(part[index] for index in found.order)
        else:
            at = instants(interval(calls[index])[0] for index in found.order)
            order += zip(at, (part[index] for index in found.order), strict=True)
            if claims is None and not claiming:
                refusable += [part[index] for index in _refusable(model, asked, found.order)]
            elif claims is None and not refuses:
                answering = set(claiming)
                refuses = _refuses(model, asked, found.order, [n for n, index in enumerate(part) if index in answering])
    if cause:
        reason = f"{cause} ran out after {counted(steps, 'step')}; no violation of {name} was found"
        return Verdict.inconclusive(PROPERTY, reason, {}), ()
    # partitions do not affect each other: by their instants they make one order
    order.sort(key=lambda item: item[0])
    rows = [row for _, row in order]
    assertions = assertions or _counted(operations[row].f for row in refusable)
    if claims is None and claiming and not refuses:
        reason = f"nothing was checked: {name} takes every answer that it was asked for, in every state on the way"
        return Verdict.inconclusive(PROPERTY, reason, {}), ()
    if not assertions:
        reason = f"nothing was checked: no operation says anything that could contradict {name}"
        return Verdict.inconclusive(PROPERTY, reason, {}), ()
    reason = f"linearizable as {name}, decided exactly in {counted(steps, 'step')}"
    return Verdict.passed(PROPERTY, reason, assertions), tuple(rows)


def _says_something(call: Call) -> bool:
    return call.type != "fail" or call.error in _CLAIMING_ERRORS


def _answers(operation: Operation) -> bool:
    """Did it end, and told more than what it was given?"""
    if operation.pending:
        return False
    return bool(operation.error) or operation.result not in (None, operation.argument)


def _counted(functions: Iterable[str]) -> dict[str, int]:
    return dict(Counter(f"linearizable {f}" for f in functions))


def _refusable(model: Specification, operations: list[Operation], order: Sequence[int]) -> list[int]:
    """Of the operations that ended, those that cannot follow one of the states that the order goes through."""
    left = [index for index in order if not operations[index].pending]
    refused: list[int] = []
    with asking("init"):
        state = model.init()
    asked = 0
    for index in order:
        for candidate in left.copy():
            asked += 1
            with suppress(SpecificationError), asking("step"):
                if model.step(state, operations[candidate]) is None:
                    refused.append(candidate)
                    left.remove(candidate)
        if not left or asked >= _MOST_ASKED:
            break
        with asking("step"):
            state = model.step(state, operations[index])
    return refused


class _AnswerOfNobody:
    """What nobody answered."""

    def __repr__(self) -> str:
        return "an answer of nobody"


def _refuses(model: Specification, operations: list[Operation], order: Sequence[int], answering: list[int]) -> bool:
    """Would any of these operations have been refused with another answer, or in another state on the way?

    Asked in turn, in each state: the operation as it ended, with an answer of nobody, with an error of nobody. A step
    that fails on such a question has not taken it. If all of it is taken, the specification does not look at answers.
    """
    with asking("init"):
        state = model.init()
    asked = 0
    for index in (None, *order):
        if index is not None:
            with asking("step"):
                state = model.step(state, operations[index])
        for candidate in answering:
            operation = operations[candidate]
            other = {"error": "error of nobody"} if operation.error else {"result": _AnswerOfNobody()}
            for question in (operation, replace(operation, **other)):
                asked += 1
                try:
                    with asking("step"):
                        if model.step(state, question) is None:
                            return True
                except SpecificationError:
                    return True
        if asked >= _MOST_ASKED:
            break
    return False


def _refuse(recording: Recording, name: str, model: Specification, operations: list[Operation]) -> None:
    """Raise the first call that is none of what the specification describes, if it can say so beforehand.

    Of a class of the user only what it will be asked for is looked at, of the built-in ones also what is left out.
    """
    refuse: Callable[[Operation], str] | None = getattr(model, "refuse", None)
    if refuse is None:
        return
    for call, operation in zip(recording.calls, operations, strict=True):
        if not is_own(type(model)) and not _says_something(call):
            continue
        with asking("refuse"):
            problem = refuse(operation)
        if problem:
            raise HistoryError(f"{recording.name}:{call.line}: {name}: {problem}")


def _partitions(
    recording: Recording, model: Specification, operations: list[Operation], relevant: list[int]
) -> list[list[int]]:
    partition: Callable[[Operation], Hashable] | None = getattr(model, "partition", None)
    if partition is None:
        return [relevant]
    parts: dict[Hashable, list[int]] = {}
    for index in relevant:
        try:
            with asking("partition"):
                parts.setdefault(partition(operations[index]), []).append(index)
        except SpecificationError as error:
            line = recording.calls[index].line
            raise HistoryError(f"{recording.name}:{line}: {type(model).__name__}: {error}") from error
    return list(parts.values())


def _operation(call: Call) -> Operation:
    pending = call.type == "info"
    return Operation(
        call.f,
        _frozen(call.argument),
        None if pending else _frozen(call.result),
        "" if pending else call.error or ("failed" if call.type == "fail" else ""),
        pending,
        call.process,
        MappingProxyType(dict(call.fields)),
    )


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def interval(call: Call) -> tuple[int, int]:
    """In which a call has its effect, or is right in what it says."""
    begin = call.invoked
    if call.error == "timeout":
        # the last try comes at the deadline
        begin = min(begin + int(call.fields.get("timeout") or 0), call.returned)
    return begin, call.returned


def _sequences(calls: list[Call]) -> list[list[int]]:
    """Calls of one process whose order intervals do not tell: messages of one batch, and calls at equal stamps."""
    by_process: dict[int | str, list[int]] = {}
    for index in sorted(range(len(calls)), key=lambda index: calls[index].line):
        by_process.setdefault(calls[index].process, []).append(index)
    sequences: list[list[int]] = []
    for indices in by_process.values():
        batch, latest = None, -1  # of the call before: its number, and when all of it had returned
        for index in indices:
            call = calls[index]
            number = call.fields.get("batch")
            together = number is not None and number == batch
            if together or call.invoked == latest:
                sequences[-1].append(index)
            else:
                sequences.append([index])
            batch, latest = number, max(latest, call.returned) if together else call.returned
    return [sequence for sequence in sequences if len(sequence) > 1]


def _replay(model: Specification, operations: list[Operation], order: Iterable[int]) -> None:
    """Take the order that was found step by step, by the specification itself and not by what is remembered of it."""
    with asking("init"):
        state = model.init()
    for index in order:
        with asking("step"):
            state = model.step(state, operations[index])
        if state is None:
            raise StepError(DIFFERENTLY, index)


def _failure(recording: Recording, part: list[int], found: Search, assertions: dict[str, int]) -> Verdict:
    prefix = tuple(part[index] for index in found.order)
    sentence = (
        f"no order of its {counted(len(part), 'operation')} is linearizable; the longest prefix has {len(prefix):,}"
    )
    rows = prefix[-_SHOWN:]
    if found.stuck is not None:
        stuck = recording.calls[part[found.stuck]]
        sentence += f", and {stuck.f} in line {stuck.line} cannot follow it"
        rows += (part[found.stuck],)
    return Verdict.failed(PROPERTY, "STUCK", Witness(sentence, rows, prefix), assertions)
