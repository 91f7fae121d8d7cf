"""Reports to look at."""

from __future__ import annotations

import pytest

from harness.record import RunRecord
from tests.reports import records


@pytest.fixture(scope="session")
def green() -> list[RunRecord]:
    return records.green()


@pytest.fixture(scope="session")
def mixed() -> list[RunRecord]:
    return records.mixed()
