"""Which tables of a lake are maintained, and how."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from influx_lake.config import Lake, load_lake
from influx_lake.config.maintenance.options import CompactOptions, Kind
from influx_lake.maintenance.tables import tables_of

Read = Callable[[str], Lake]
SOURCES = 'sources: {default: {host: "http://127.0.0.1:1", database: telemetry}}\n'


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str) -> Lake:
        path = tmp_path / "lake.yaml"
        path.write_text(SOURCES + text)
        return load_lake(path)

    return read


def test_rollups_and_quarantines_are_tables_too(read: Read) -> None:
    lake = read(
        "measurements:\n"
        "  cpu: {rollups: {hourly: {every: 1h}}}\n"
        "  mem: {on_type_conflict: quarantine, maintenance: {statistics: {}}}\n"
    )
    tables = tables_of(lake)
    assert [each.name for each in tables] == [
        "telemetry.cpu",
        "telemetry.cpu_hourly",
        "telemetry.mem",
        "telemetry.mem__quarantine",
    ]
    mem, quarantine = tables[2:]
    assert mem.options(Kind.STATISTICS) is not None
    # Nobody plans joins with it.
    assert quarantine.options(Kind.STATISTICS) is None
    assert quarantine.options(Kind.COMPACT) is not None


def test_a_shared_table_is_one_and_all_of_it(read: Read) -> None:
    shared = "metadata_columns: [measurement], table: metrics"
    lake = read(f"measurements: {{cpu: {{{shared}, lag: 1h}}, mem: {{{shared}}}, disk: {{}}}}")
    cpu, mem, _ = lake.measurements
    table, disk = tables_of(lake)
    assert (table.name, table.measurements, table.target.share) == ("telemetry.metrics", (cpu, mem), None)
    assert disk.name == "telemetry.disk"
    # What is late for one of them changes a partition of all.
    (chosen,) = tables_of(lake, [mem])
    options = chosen.options(Kind.COMPACT)
    assert isinstance(options, CompactOptions)
    assert options.after == timedelta(hours=3)


def test_what_is_off_is_not_done(read: Read) -> None:
    lake = read("measurements: {cpu: {maintenance: off}, mem: {maintenance: {metadata: off}}}")
    cpu, mem = tables_of(lake)
    assert [kind for kind in Kind if cpu.options(kind)] == []
    assert mem.options(Kind.METADATA) is None
