"""A verdict: pass, fail or inconclusive, with the evidence it was built from.

Every verdict of the harness is built by the three constructors below, so that the rule *a run that checked nothing is
not a pass* is written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness.words import counted

__all__ = ["Outcome", "Verdict", "Witness"]


class Outcome(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> int:
        return {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 4}[self]


@dataclass(frozen=True)
class Witness:
    """The few operations that prove a violation.

    Attributes:
        sentence: what they prove, for a person; the name of the rule is added by whoever shows it.
        operations: their row numbers in the history, in the order in which they should be read.
        prefix: of a search that got stuck: the longest prefix of an order that it found, in that order; the operation
            that cannot follow is the last of `operations`.
    """

    sentence: str
    operations: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"sentence": self.sentence, "operations": list(self.operations)}
        return told | ({"prefix": list(self.prefix)} if self.prefix else {})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Witness:
        return cls(data["sentence"], tuple(data["operations"]), tuple(data.get("prefix", ())))


@dataclass(frozen=True)
class Verdict:
    """What was decided about one property.

    Attributes:
        property: name of the property, e.g. ``"fifo"``, ``"integrity"``, ``"timeliness"``, ``"progress"``.
        outcome: pass, fail or inconclusive.
        reason: one sentence; for a pass it says what was decided exactly and what was not.
        rule: for a failure the name of the rule that was broken, e.g. ``"ORDER"``, ``"lost"``; else empty.
        assertions: how many assertions were made, by name. One property of one operation is one assertion.
        witness: the operations that prove a failure.
    """

    property: str
    outcome: Outcome
    reason: str
    rule: str = ""
    assertions: Mapping[str, int] = field(default_factory=dict)
    witness: Witness | None = None

    @classmethod
    def passed(cls, property: str, reason: str, assertions: Mapping[str, int]) -> Verdict:
        """A pass, or inconclusive if no assertion was made."""
        if sum(assertions.values()) <= 0:
            return cls.inconclusive(
                property, f"nothing was checked: no operation says anything of {property}", assertions
            )
        return cls(property, Outcome.PASS, reason, "", dict(assertions))

    @classmethod
    def failed(cls, property: str, rule: str, witness: Witness, assertions: Mapping[str, int] | None = None) -> Verdict:
        return cls(property, Outcome.FAIL, witness.sentence, rule, dict(assertions or {}), witness)

    @classmethod
    def inconclusive(cls, property: str, reason: str, assertions: Mapping[str, int] | None = None) -> Verdict:
        return cls(property, Outcome.INCONCLUSIVE, reason, "", dict(assertions or {}))

    @staticmethod
    def overall(verdicts: Iterable[Verdict]) -> tuple[Outcome, str]:
        """The outcome of all of them and one sentence of reason: a failure outweighs all, no verdict is no pass."""
        verdicts = list(verdicts)
        for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE):
            for verdict in verdicts:
                if verdict.outcome is outcome:
                    rule = f"{verdict.rule}: " if verdict.rule else ""
                    return outcome, f"{verdict.property}: {rule}{verdict.reason}"
        if not verdicts:
            return Outcome.INCONCLUSIVE, "nothing was checked"
        total = sum(sum(v.assertions.values()) for v in verdicts)
        return Outcome.PASS, f"{counted(total, 'assertion')} {'holds' if total == 1 else 'hold'}"

    def to_json(self) -> dict[str, Any]:
        return {
            "property": self.property,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "rule": self.rule,
            "assertions": dict(self.assertions),
            "witness": None if self.witness is None else self.witness.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        witness = data["witness"]
        return cls(
            data["property"],
            Outcome(data["outcome"]),
            data["reason"],
            data["rule"],
            dict(data["assertions"]),
            None if witness is None else Witness.from_json(witness),
        )

    def __str__(self) -> str:
        rule = f" [{self.rule}]" if self.rule else ""
        return f"{self.property}: {self.outcome.value.upper()}{rule}: {self.reason}"
