"""What others do to the columns of a measurement's table, seen by loads, by `verify` and by tails."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace as changed
from datetime import timedelta

import dagster as dg
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import DoubleType, IcebergType, LongType, StringType, TimestamptzType

from influx_lake.checks.subject import Subject
from influx_lake.checks.suite import evaluate
from influx_lake.config import CheckOptions, Measurement, OnTypeConflict, RenamedColumns, TypeOptions
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import SchemaConflict, SourceUnavailable
from influx_lake.orchestration.window_metadata import replication_facts
from influx_lake.replication.comparison.compare_windows import Depth, Verdict
from influx_lake.replication.comparison.verify import verify
from influx_lake.replication.status import measurement_status
from influx_lake.replication.table_columns import check_or_tell
from influx_lake.replication.tail import tail_measurement
from influx_lake.sources.protocol import RowStream
from influx_lake_tests.unit.iceberg.tables import replace
from influx_lake_tests.unit.replication.fake_source import SCHEMA, FakeSource, Stream
from influx_lake_tests.unit.replication.loading import APPENDING, CPU, UPSERTING, day, held, load

REFUSING = changed(CPU, types=TypeOptions(renamed_columns=RenamedColumns.REFUSE))


def others(catalog: Catalog, change: Callable[[UpdateSchema], object]) -> None:
    with catalog.load_table(CPU.identifier).update_schema(allow_incompatible_changes=True) as update:
        change(update)


def rename(catalog: Catalog, **names: str) -> None:
    for name, other in names.items():
        others(catalog, lambda update, name=name, other=other: update.rename_column(name, other))  # type: ignore[misc]


def test_rows_of_a_renamed_time_are_replaced_and_not_doubled(source: FakeSource, catalog: Catalog) -> None:
    for host in "abc":
        source.put(day(0, days=2), 48, host)
    load(source, catalog, day(0))
    load(source, catalog, day(1))
    rename(catalog, time="ts", host="hostname")
    load(source, catalog, day(0))
    load(source, catalog, day(1), UPSERTING)
    there = catalog.load_table(CPU.identifier).scan().to_arrow()
    assert there.column_names == ["ts", "hostname", "value"]
    assert (there.num_rows, there.column("hostname").null_count) == (144, 0)
    comparisons = verify(source, catalog, CPU, [day(0), day(1)]).comparisons
    assert [(each.verdict, each.lake_rows) for each in comparisons] == [(Verdict.EQUAL, 72)] * 2
    with pytest.raises(SchemaConflict, match="'time' is 'ts' now, 'host' is 'hostname' now"):
        verify(source, catalog, REFUSING, [day(0)])
    assert held(catalog).column_names == ["time", "host", "value"]


@pytest.mark.parametrize("measurement", [CPU, APPENDING, UPSERTING])
@pytest.mark.parametrize(
    "change", [lambda update: update.delete_column("host"), lambda update: update.update_column("host", required=True)]
)
def test_the_source_is_not_asked_for_rows_that_have_no_place(
    source: FakeSource, catalog: Catalog, measurement: Measurement, change: Callable[[UpdateSchema], object]
) -> None:
    source.put(day(0, days=2), 48)
    load(source, catalog, day(0))
    others(catalog, change)
    before, asked = catalog.load_table(CPU.identifier).metadata_location, list(source.asked)
    with pytest.raises(SchemaConflict, match=r"window 2026-01-02.*'host'"):
        load(source, catalog, day(1), measurement)
    assert (source.asked, catalog.load_table(CPU.identifier).metadata_location) == (asked, before)


def test_a_dropped_column_is_not_equal(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 48)
    load(source, catalog, day(0))
    others(catalog, lambda update: update.delete_column("value"))
    with pytest.raises(SchemaConflict, match=r"dropped from telemetry\.cpu by others: 'value'"):
        verify(source, catalog, CPU, [day(0)])


def add(name: str, kind: IcebergType, *, required: bool = False) -> Callable[[UpdateSchema], object]:
    return lambda update: update.add_column(name, kind, required=required)


def drop(name: str) -> Callable[[UpdateSchema], object]:
    return lambda update: update.delete_column(name)


def call(name: str, other: str) -> Callable[[UpdateSchema], object]:
    return lambda update: update.rename_column(name, other)


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ([lambda update: update.update_column("value", required=True)], "required, so that loads stop.*: 'value'"),
        ([add("must", StringType(), required=True)], "required, so that loads stop.*: 'must'"),
        ([call("host", "server"), add("host", StringType())], "'host' was renamed 'server', and another column"),
        ([call("time", "at"), add("time", TimestamptzType())], "'time' was renamed 'at', and another column"),
        ([drop("value"), add("value", StringType())], "another type: 'value' is string, and was double"),
        ([drop("value")], "dropped, so that loads stop where the source has them: 'value'"),
        ([drop("time")], "there is no column 'time'"),
    ],
)
def test_verify_and_check_refuse_what_loads_do_and_status_names_it(
    source: FakeSource, catalog: Catalog, changes: list[Callable[[UpdateSchema], object]], remark: str
) -> None:
    source.put(day(0), 4)
    partition = (PartitionTerm("identity", "host"),) if "time" in remark else None
    measurement = changed(CPU, iceberg_partition=partition)
    load(source, catalog, day(0), measurement)
    for change in changes:
        others(catalog, change)
    with pytest.raises(SchemaConflict) as refused:
        load(source, catalog, day(0), measurement)
    for depth in (Depth.ROWS, Depth.PROFILE, Depth.VALUES):
        with pytest.raises(SchemaConflict, match=re.escape(refused.value.message)):
            verify(source, catalog, measurement, [day(0)], depth=depth)
    with pytest.raises(SchemaConflict, match=re.escape(refused.value.message)):
        check_or_tell(source, catalog, measurement)
    with pytest.raises(SchemaConflict, match=remark):
        check_or_tell(Away(), catalog, measurement)
    [said] = measurement_status(catalog, measurement, day(2).start).remarks
    assert re.search(remark, said), said


class Away(FakeSource):
    """A source that cannot be reached."""

    def schema(self, measurement: str) -> MeasurementSchema:
        raise SourceUnavailable("nobody answers")


def test_what_others_did_to_columns_that_do_not_come_stops_nothing(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 4)
    load(source, catalog, day(0))
    for change in (drop("value"), add("value", DoubleType())):
        others(catalog, change)
    compared = verify(source, catalog, CPU, [day(0)], depth=Depth.PROFILE).comparisons
    assert [each.changed for each in compared] == [("value",)]
    [said] = measurement_status(catalog, CPU, day(2).start).remarks
    assert "dropped and added, so that they are null in the rows of before: 'value'" in said
    load(source, catalog, day(0))
    assert measurement_status(catalog, CPU, day(2).start).remarks == []
    others(catalog, drop("value"))

    class Without(FakeSource):
        """The source has it no more either."""

        def schema(self, measurement: str) -> MeasurementSchema:
            return changed(super().schema(measurement), columns=super().schema(measurement).columns[:2])

    left = Without(rows=source.rows)
    assert verify(left, catalog, CPU, [day(0)]).is_equal
    check_or_tell(left, catalog, CPU)


def test_the_source_is_not_asked_for_its_columns_where_nobody_changed_the_tables(
    source: FakeSource, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.put(day(0), 4)
    load(source, catalog, day(0))
    rename(catalog, host="hostname")
    others(catalog, add("note", StringType()))
    monkeypatch.setattr(source, "schema", None)
    assert verify(source, catalog, CPU, [day(0)]).is_equal


def test_a_tail_fills_renamed_columns(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 48)
    load(source, catalog, day(0))
    rename(catalog, time="ts", value="level")
    source.put(day(1), 24, value=5.0)
    tail_measurement(source, catalog, CPU, run_id="test", now=day(1).start + timedelta(hours=12, minutes=30))
    tail_measurement(source, catalog, CPU, run_id="test", now=day(1).start + timedelta(hours=20, minutes=30))
    assert held(catalog).column("value").to_pylist() == [0.0] * 48 + [5.0] * 21


class Growing(FakeSource):
    """Others make the column that its rows bring while they are read, in a type that the rows do not have."""

    catalog: Catalog

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        self.asked.append(window)
        rows = self._within(window).append_column("site", pa.array(["here"] * len(self._within(window))))

        def batches() -> Iterator[pa.RecordBatch]:
            yield from rows.to_batches()
            if self.asked == [window]:
                others(self.catalog, lambda update: update.add_column("site", LongType()))

        yield Stream(rows.schema, batches())


def test_a_window_is_begun_again_where_others_changed_what_its_rows_were_shaped_for(catalog: Catalog) -> None:
    source = Growing()
    source.catalog = catalog
    source.put(day(0, days=2), 48)
    beside = changed(CPU, types=TypeOptions(on_type_conflict=OnTypeConflict.NEW_COLUMN), adopt=True)
    replace(catalog, day(0), source.rows.slice(0, 24).combine_chunks().to_batches()[0])
    load(source, catalog, day(1), beside)
    assert source.asked == [day(1), day(1)]
    assert held(catalog).column("site__string").to_pylist() == [None] * 24 + ["here"] * 24


def test_checks_find_renamed_columns(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 48)
    names = ["source_equals_lake", "no_duplicate_points", "gaps", "outliers", "schema_drift", "values"]
    options = CheckOptions.model_validate(
        {"gaps": {"longer_than": "1h", "by": ["host"]}, "values": [{"column": "value", "not_null": True}]}
    )
    measurement = changed(CPU, checks=options)
    load(source, catalog, day(0), measurement)

    def found() -> list[tuple[str, bool]]:
        subject = Subject(measurement, catalog, lambda: source, day(1).start + timedelta(hours=1), [day(0)])
        return [(name, outcome.passed) for name, outcome, _ in evaluate(subject, names)]

    before = found()
    rename(catalog, time="ts", host="hostname", value="level")
    assert found() == before == [(name, True) for name in names]


def test_renamed_columns_are_reported_by_status_and_by_each_materialisation(
    source: FakeSource, catalog: Catalog
) -> None:
    source.put(day(0), 3)
    load(source, catalog, day(0))
    now = day(2).start
    assert measurement_status(catalog, CPU, now).remarks == []
    rename(catalog, host="hostname")
    status = measurement_status(catalog, CPU, now)
    assert status.renamed == {"host": "hostname"}
    assert status.remarks == ["others renamed columns, which are filled under their new names: 'host' is 'hostname'"]
    result = load(source, catalog, day(0))
    facts = replication_facts(result, dg.AssetKey("upstream"))
    assert facts["renamed_columns"] == dg.MetadataValue.json({"host": "hostname"})
    rename(catalog, hostname="host")
    assert "renamed_columns" not in replication_facts(load(source, catalog, day(0)), dg.AssetKey("upstream"))


def test_columns_that_differ_in_case_only_are_reported(
    source: FakeSource, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    source.put(day(0), 3)
    load(source, catalog, day(0))
    others(catalog, lambda update: update.add_column("Value", LongType()))
    load(source, catalog, day(0))
    assert "the columns 'Value' and 'value' differ in case only" in caplog.text
    status = measurement_status(catalog, CPU, day(2).start)
    assert status.alike == [("Value", "value")]
    assert "Trino and Athena cannot read" in status.remarks[0]


class Counting(FakeSource):
    """Its values are whole numbers."""

    def schema(self, measurement: str) -> MeasurementSchema:
        columns = super().schema(measurement).columns
        return MeasurementSchema(measurement, (*columns[:2], Column("value", Role.FIELD, ColumnType.INTEGER)))

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        assert "value" in {column.name for column in schema.columns}
        rows = self._within(window).cast(SCHEMA.set(2, pa.field("value", pa.int64())))
        yield Stream(rows.schema, rows.to_batches())


@pytest.mark.parametrize("kind", [DoubleType(), StringType()])
@pytest.mark.parametrize("asked", [False, True])
def test_values_that_the_source_cannot_have_differ(catalog: Catalog, kind: IcebergType, *, asked: bool) -> None:
    source = Counting()
    source.put(day(0), 4)
    types = {"value": str(kind)} if asked else {}
    beside = changed(CPU, types=TypeOptions(on_type_conflict=OnTypeConflict.NEW_COLUMN, types=types))
    load(source, catalog, day(0), beside)
    if not asked:
        for change in (drop("value"), add("value", kind)):
            others(catalog, change)
    table = catalog.load_table(CPU.identifier)
    theirs = table.scan().to_arrow()
    wrong = pa.array([0.5] * 4 if kind == DoubleType() else ["x"] * 4)
    table.overwrite(theirs.set_column(2, "value", wrong))

    def differing() -> list[tuple[str, ...]]:
        return [each.changed for each in verify(source, catalog, beside, [day(0)], depth=Depth.PROFILE).comparisons]

    assert differing() == [("value",)]
    load(source, catalog, day(0), beside)
    assert differing() == [()]
    assert held(catalog).column("value" if asked else "value__long").cast(pa.float64()).to_pylist() == [0.0] * 4
