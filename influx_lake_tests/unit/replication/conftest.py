from __future__ import annotations

import pytest

from influx_lake_tests.unit.replication.fake_source import FakeSource


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()
