from __future__ import annotations

import pytest

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.load.write_part import write_part
from influx_lake.iceberg.parts.written_part import WrittenPart
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.replication.splitting import split_load
from influx_lake_tests.unit.replication.fake_source import FakeSource


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """The parts whose rows are written to files, in this order."""
    found: list[Window] = []

    def noting(load: WindowLoad, source_rows: int | None = None) -> WrittenPart:
        found.append(load.window)
        return write_part(load, source_rows)

    monkeypatch.setattr(split_load, "write_part", noting)
    return found
