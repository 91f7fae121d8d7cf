"""JUnit XML: a suite per run record, a case per property, so that a CI service shows what was checked.

An inconclusive property is an ``error``: the format has no third answer, and *skipped* is green in most viewers.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from harness.record import RunRecord
from harness.verdict import Outcome, Verdict
from harness.words import again
from reports.results import variant

__all__ = ["render"]

# what XML 1.0 cannot hold, not even escaped; a dying child may have written anything
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(records: Sequence[RunRecord]) -> str:
    root = ElementTree.Element("testsuites", name="channel-harness")
    for record in records:
        root.append(_suite(record))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(record: RunRecord) -> ElementTree.Element:
    name = f"{record.scenario}.{record.executor}.{variant(record)}"
    verdicts = record.verdicts or (Verdict.inconclusive("run", record.reason or "nothing was checked"),)
    suite = ElementTree.Element("testsuite", name=_text(name), tests=str(len(verdicts)))
    suite.set("failures", str(sum(verdict.outcome is Outcome.FAIL for verdict in verdicts)))
    suite.set("errors", str(sum(verdict.outcome is Outcome.INCONCLUSIVE for verdict in verdicts)))
    suite.set("skipped", "0")
    suite.set("time", f"{record.duration:.3f}")
    if record.started:
        suite.set("timestamp", _text(record.started))
    for verdict in verdicts:
        suite.append(_case(record, verdict, name, record.duration / len(verdicts)))
    return suite


def _case(record: RunRecord, verdict: Verdict, name: str, seconds: float) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=_text(name), name=_text(verdict.property), time=f"{seconds:.3f}")
    if verdict.outcome is Outcome.FAIL:
        failure = ElementTree.SubElement(case, "failure", type=_text(verdict.rule), message=_text(verdict.reason))
        failure.text = _text("\n".join(_told(record, verdict)))
    elif verdict.outcome is Outcome.INCONCLUSIVE:
        ElementTree.SubElement(case, "error", type="inconclusive", message=_text(verdict.reason))
    return case


def _told(record: RunRecord, verdict: Verdict) -> list[str]:
    lines = [verdict.reason]
    for failure in record.failures:
        if (failure.property, failure.rule) == (verdict.property, verdict.rule):
            lines += failure.operations
            lines += [f"again: {failure.command} ({again(failure.reproduced)})"] if failure.command else []
            lines += [line for line in (failure.exit, failure.last_words) if line]
    return lines


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
