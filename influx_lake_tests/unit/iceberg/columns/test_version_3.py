"""Times in nanoseconds, which tables of format version 3 have: what is refused today, and what is ready."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import LongType, NestedField, StringType

from influx_lake.config import Nanoseconds, TypeOptions
from influx_lake.config.tables.format_versions import refusal
from influx_lake.config.values.windows import Window
from influx_lake.errors import TableUnsupported
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.columns.row_mapping import shape_of
from influx_lake.iceberg.columns.schema import iceberg_schema
from influx_lake.iceberg.failures.translation import translate
from influx_lake.iceberg.scan.reader import count_rows, read_windows
from influx_lake.iceberg.target import TableTarget

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
FIRST = int(START.timestamp()) * 10**9 + 7
COLUMNS = pa.schema([("time", pa.timestamp("ns")), ("host", pa.string())])
TARGET = TableTarget(("telemetry", "cpu"), types=TypeOptions(nanoseconds=Nanoseconds.KEEP))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    made = open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"})
    made.create_namespace("telemetry")
    return made


def of_nanoseconds(catalog: Catalog) -> Table:
    """A table as another engine makes it: its metadata say version 3, its file and bounds hold nanoseconds."""
    schema = Schema(NestedField(1, "time", LongType()), NestedField(2, "host", StringType()))
    longs = catalog.create_table("telemetry.longs", schema)
    longs.append(pa.table({"time": pa.array([FIRST, FIRST + 1], pa.int64()), "host": ["a", "b"]}))
    [task] = longs.scan().plan_files()
    path = task.file.file_path.removeprefix("file://")
    rows = pq.read_table(path)
    time = rows.schema.field("time").with_type(pa.timestamp("ns", "UTC"))
    pq.write_table(rows.cast(pa.schema([time, rows.schema.field("host")])), path)
    newest = Path(longs.metadata_location.removeprefix("file://"))
    metadata = json.loads(newest.read_text()) | {"format-version": 3, "next-row-id": 0}
    for each in metadata["schemas"]:
        each["fields"][0]["type"] = "timestamptz_ns"
    made = newest.with_name("00009-0123.metadata.json")
    made.write_text(json.dumps(metadata))
    return catalog.register_table("telemetry.cpu", str(made))


def test_windows_of_a_time_in_nanoseconds_are_refused_with_what_to_do(catalog: Catalog) -> None:
    table = of_nanoseconds(catalog)
    # pyiceberg reads it, whole; only select rows by it it cannot.
    assert table.scan().to_arrow()["time"].cast(pa.int64()).to_pylist() == [FIRST, FIRST + 1]
    for read in (lambda: count_rows(table, DAY), lambda: read_windows(table, [DAY])):
        with pytest.raises(TableUnsupported, match=r"time of telemetry\.cpu is a timestamptz_ns") as told:
            read()
        assert "another table" in str(told.value.remedy)


def test_tables_of_version_3_are_refused_in_lake_yaml_as_long_as_pyiceberg_makes_none(catalog: Catalog) -> None:
    schema = iceberg_schema(shape_of(COLUMNS, TARGET).schema, "time")
    with pytest.raises(NotImplementedError) as raised:
        # Where this is raised no more, `NEWEST_WRITTEN` is to be 3.
        catalog.create_table("telemetry.cpu", schema, properties={"format-version": "3"})
    assert "pyiceberg writes no tables of format version 3 yet" in str(refusal("3"))
    assert refusal("2") is None
    assert "have format version 2" in str(refusal("1"))
    assert isinstance(translate(raised.value, "create the table"), TableUnsupported)


def test_keep_holds_times_in_one_column_where_the_version_has_nanoseconds() -> None:
    two, three = (replace(TARGET, properties={"format-version": version}) for version in ("2", "3"))
    beside = shape_of(COLUMNS, replace(two, with_nanoseconds=True))
    assert [str(field.field_type) for field in iceberg_schema(beside.schema, "time").fields] == [
        "timestamptz",
        "string",
        "long",
    ]
    whole = shape_of(COLUMNS, replace(three, with_nanoseconds=True))
    assert [str(field.field_type) for field in iceberg_schema(whole.schema, "time").fields] == [
        "timestamptz_ns",
        "string",
    ]
    rows = pa.record_batch([pa.array([FIRST], pa.timestamp("ns")), pa.array(["a"])], schema=COLUMNS)
    [time, _] = (column.convert(rows["time"]) if column.convert else None for column in whole.columns)
    assert (time.type, time.cast(pa.int64()).to_pylist()) == (pa.timestamp("ns", "UTC"), [FIRST])
