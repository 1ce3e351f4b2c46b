"""What others do to the columns of a table is followed or named: columns are known by their field ids."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace as changed

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import DecimalType, DoubleType, LongType, StringType, TimestampType

from influx_lake.config import RenamedColumns, TypeOptions, WriteOptions
from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.errors import CatalogRefused, ForeignTable, SchemaConflict
from influx_lake.iceberg.columns.known_columns import PROPERTY, remembered
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.own_properties import TABLE
from influx_lake.iceberg.scan.reader import find_table, open_table, read_windows
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, SCHEMA, TARGET, day, replace, rows, stream, table
from testbed.loads import load_of

Change = Callable[[UpdateSchema], object]
REFUSING = changed(TARGET, types=TypeOptions(renamed_columns=RenamedColumns.REFUSE))


def others(catalog: Catalog, *changes: Change, incompatible: bool = False) -> None:
    """Another tool changes the schema, one change after the other."""
    for change in changes:
        with table(catalog).update_schema(allow_incompatible_changes=incompatible) as update:
            change(update)


def renaming(name: str, other: str) -> Change:
    return lambda update: update.rename_column(name, other)


def columns(catalog: Catalog) -> dict[str, list[object]]:
    """What other engines see."""
    found = table(catalog).scan().to_arrow()
    return {name: found.column(name).to_pylist() for name in found.column_names}


def refused(catalog: Catalog, said: str, target: TableTarget = TARGET, batch: pa.RecordBatch | None = None) -> None:
    """A load stops before it reads a row, and changes nothing."""
    before, asked = table(catalog).metadata_location, []

    class Unread:
        schema = (batch or rows(day(0), 1)).schema

        def __iter__(self) -> object:
            asked.append(True)
            return iter(())

    with pytest.raises(SchemaConflict, match=said):
        upsert_window(load_of(catalog, target, Unread(), day(0), PROVENANCE))  # type: ignore[arg-type]
    assert not asked
    assert table(catalog).metadata_location == before


def test_a_renamed_column_is_filled_under_its_new_name(catalog: Catalog, caplog: pytest.LogCaptureFixture) -> None:
    replace(catalog, day(0), rows(day(0), 24))
    ids = {field.name: field.field_id for field in table(catalog).schema().fields}
    assert json.loads(table(catalog).properties[PROPERTY]) == ids
    others(catalog, renaming("time", "ts"), renaming("host", "hostname"), renaming("value", "Value"))
    with caplog.at_level(logging.WARNING):
        replace(catalog, day(0), rows(day(0), 24, value=100.0))
    assert "another tool renamed the column 'time' to 'ts'" in caplog.text
    replace(catalog, day(1), rows(day(1), 12))
    found = columns(catalog)
    assert list(found) == ["ts", "hostname", "Value", "count"]
    assert (len(found["ts"]), None in found["hostname"], sum(map(float, found["Value"]))) == (36, False, 2742.0)
    # What the project reads it reads under its own names.
    known = open_table(catalog, TARGET.identifier)
    assert read_windows(known, [day(1)]).read_all().column_names == SCHEMA.names
    assert count_by_window(known, [day(0), day(1), day(2)]) == [24, 12, 0]


def test_upserts_and_merges_find_the_points_of_renamed_columns(catalog: Catalog) -> None:
    by_host = changed(TARGET, key=("host",), tags=("host",))
    replace(catalog, day(0), rows(day(0), 24), target=by_host)
    others(catalog, renaming("time", "ts"), renaming("host", "hostname"), renaming("count", "n"))
    for merge_fields in (False, True):
        batch = rows(day(0), 24, value=100.0)
        upsert_window(load_of(catalog, by_host, stream(batch), day(0), PROVENANCE, merge_fields=merge_fields))
        assert sorted(columns(catalog)["value"]) == batch.column("value").to_pylist()
        assert len(columns(catalog)["ts"]) == 24


def test_two_columns_that_changed_their_names(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 7))
    others(catalog, renaming("value", "x"), renaming("count", "value"), renaming("x", "count"))
    replace(catalog, day(0), rows(day(0), 7, value=0.5))
    assert columns(catalog)["count"] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    assert columns(catalog)["value"] == list(range(7))


def test_renames_are_refused_where_that_is_configured(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 24))
    others(catalog, renaming("time", "ts"), renaming("host", "hostname"))
    refused(catalog, "'time' is 'ts' now, 'host' is 'hostname' now", REFUSING)
    others(catalog, renaming("ts", "time"), renaming("hostname", "host"))
    replace(catalog, day(0), rows(day(0), 24), target=REFUSING)
    assert len(columns(catalog)["time"]) == 24


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([lambda update: update.delete_column("value")], r"dropped from telemetry\.cpu by others: 'value'"),
        ([lambda update: update.delete_column("time")], "has no column 'time'"),
        (
            [lambda update: update.delete_column("time"), lambda update: update.add_column("time", TimestampType())],
            "has no column 'time'|renamed or dropped it",
        ),
        ([lambda update: update.make_column_optional("time"), renaming("time", "ts")], ""),
        (
            [renaming("value", "old"), lambda update: update.add_column("value", StringType())],
            "'value' of telemetry.cpu was renamed 'old', and another column is called 'value' now",
        ),
        ([lambda update: update.update_column("host", required=True)], "are required.*'host'.*influx-lake adopt"),
        ([lambda update: update.add_column("site", StringType(), required=True)], "are required.*'site'"),
        (
            [lambda update: update.delete_column("value"), lambda update: update.add_column("value", StringType())],
            "'value' is double in the source and string in the table",
        ),
    ],
)
def test_what_cannot_be_followed_is_named_before_a_row_is_read(
    catalog: Catalog, changes: list[Change], said: str
) -> None:
    partition = (PartitionTerm("bucket", "host", 4),)
    target = changed(TARGET, partition=partition)
    replace(catalog, day(0), rows(day(0), 24), target=target)
    others(catalog, *changes, incompatible=True)
    if said:
        refused(catalog, said, target)
    else:
        replace(catalog, day(0), rows(day(0), 24), target=target)
        assert len(columns(catalog)["ts"]) == 24


def test_the_source_has_a_column_of_the_name_that_others_gave_to_another(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 7))
    others(catalog, renaming("value", "level"))
    both = rows(day(0), 7).append_column("level", pa.array(["x"] * 7))
    refused(catalog, "'value' was renamed 'level' in telemetry.cpu, and the source has a 'level' too", batch=both)
    # Renamed in the source as well, it is one column.
    names = ["level" if name == "value" else name for name in SCHEMA.names]
    replace(catalog, day(1), rows(day(1), 7).rename_columns(names))
    assert columns(catalog)["level"] == [*map(float, range(7))] * 2
    assert list(columns(catalog)) == names


def test_a_dropped_column_comes_back_where_it_is_made_again(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 7))
    others(
        catalog, lambda update: update.delete_column("value"), lambda update: update.add_column("value", DoubleType())
    )
    replace(catalog, day(1), rows(day(1), 3))
    assert sorted(columns(catalog)["value"], key=str) == [0.0, 1.0, 2.0, *[None] * 7]
    # What lake.yaml leaves out may be gone.
    others(catalog, lambda update: update.delete_column("count"))
    replace(catalog, day(2), rows(day(2), 3).select(["time", "host", "value"]))
    assert "count" not in json.loads(table(catalog).properties[PROPERTY])


def test_columns_that_others_added_moved_and_widened(catalog: Catalog) -> None:
    narrow = changed(TARGET, types=TypeOptions(types={"count": "int"}))
    replace(catalog, day(0), rows(day(0), 7), target=narrow)
    others(
        catalog,
        lambda update: update.update_column("count", LongType()),
        lambda update: update.add_column("level", DoubleType()),
        lambda update: update.add_column("Host", DecimalType(9, 2)),
        lambda update: update.move_first("level"),
    )
    for target in (narrow, TARGET):
        replace(catalog, day(0), rows(day(0), 7).append_column("level", pa.array([0.5] * 7)), target=target)
    found = columns(catalog)
    assert list(found) == ["level", "time", "host", "value", "count", "Host"]
    assert (found["level"], found["count"], found["Host"]) == ([0.5] * 7, list(range(7)), [None] * 7)


def test_options_keep_the_names_that_lake_yaml_knows(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 24))
    others(catalog, renaming("time", "ts"), renaming("host", "hostname"))
    target = changed(
        TARGET,
        partition=(PartitionTerm("day", "time"), PartitionTerm("bucket", "host", 4)),
        write=WriteOptions(sort_by=(SortTerm("host"),), bloom_filter=("host",)),
        properties={"write.metadata.metrics.column.value": "counts"},
    )
    replace(catalog, day(0), rows(day(0), 24), target=target)
    replace(catalog, day(0), rows(day(0), 24), target=target)
    assert [str(field.transform) for field in table(catalog).spec().fields] == ["day", "bucket[4]"]
    assert table(catalog).schema().find_column_name(table(catalog).sort_order().fields[0].source_id) == "hostname"
    assert len(columns(catalog)["ts"]) == 24
    wrong = changed(target, write=WriteOptions(sort_by=(SortTerm("hostname"),)))
    refused(catalog, "sort_by names 'hostname', which is the new name of 'host'", wrong)


def test_tables_of_earlier_versions_know_their_columns_by_their_first_names(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 7))
    with table(catalog).transaction() as transaction:
        transaction.remove_properties(PROPERTY)
    others(catalog, renaming("host", "hostname"))
    replace(catalog, day(1), rows(day(1), 7))
    assert None not in columns(catalog)["hostname"]
    assert "host" in json.loads(table(catalog).properties[PROPERTY])
    with table(catalog).transaction() as transaction:
        transaction.set_properties({PROPERTY: "{"})
    with pytest.raises(CatalogRefused, match="is not what a load wrote"):
        replace(catalog, day(1), rows(day(1), 7))


def made_anew(catalog: Catalog, *order: str, without: tuple[str, ...] = (), with_rows: bool = True) -> dict[str, int]:
    """Somebody makes the table anew, with its columns in another order, its properties and its rows."""
    old = table(catalog)
    fields = {field.name: field for field in old.schema().fields}
    there = old.scan().to_arrow().select(order)
    said = {name: text for name, text in old.properties.items() if name not in without}
    catalog.drop_table(TARGET.identifier)
    new = catalog.create_table(TARGET.identifier, Schema(*(fields[name] for name in order)), properties=said)
    if with_rows:
        new.append(there)
    ids = {field.name: field.field_id for field in new.schema().fields}
    assert ids != {field.name: field.field_id for field in fields.values()}
    return ids


@pytest.mark.parametrize(
    "order", [("time", "note", "value", "count", "host"), ("count", "value", "note", "host", "time")]
)
@pytest.mark.parametrize("without", [(), (TABLE,)], ids=["copied", "of_an_earlier_version"])
@pytest.mark.parametrize("with_rows", [True, False])
def test_properties_that_were_copied_from_another_table_say_nothing_of_the_columns(
    catalog: Catalog,
    caplog: pytest.LogCaptureFixture,
    order: tuple[str, ...],
    without: tuple[str, ...],
    with_rows: bool,
) -> None:
    batch = rows(day(0), 7).append_column("note", pa.array([f"note-{i}" for i in range(7)]))
    replace(catalog, day(0), batch)
    ids = made_anew(catalog, *order, without=without, with_rows=with_rows)
    assert find_table(catalog, TARGET.identifier).schema() == table(catalog).schema()  # type: ignore[union-attr]
    adopting = changed(PROVENANCE, adopt=True)
    if with_rows:
        with pytest.raises(ForeignTable, match="not loaded by influx-lake"):
            replace(catalog, day(0), batch)
    for number in (0, 1):
        again = rows(day(number), 7, value=0.5).append_column("note", batch.column("note"))
        upsert_window(load_of(catalog, TARGET, stream(again), day(number), adopting, merge_fields=number == 0))
    assert "renamed" not in caplog.text
    found = columns(catalog)
    assert sorted(found["host"]) == sorted([f"host-{i}" for i in range(7)] * 2)
    assert sorted(found["note"]) == sorted([f"note-{i}" for i in range(7)] * 2)
    assert json.loads(table(catalog).properties[PROPERTY]) == ids
    assert table(catalog).properties[TABLE] == str(table(catalog).metadata.table_uuid)


def test_ids_under_names_that_no_column_ever_had_are_not_believed(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 7))
    ids = json.loads(table(catalog).properties[PROPERTY])
    swapped = {**ids, "host": ids["count"], "count": ids["host"]}
    with table(catalog).transaction() as transaction:
        transaction.set_properties({PROPERTY: json.dumps(swapped)})
    replace(catalog, day(0), rows(day(0), 7))
    assert json.loads(table(catalog).properties[PROPERTY]) == ids
    # Where engines removed the schemas that tell the names, the table's own load is believed.
    others(catalog, renaming("host", "hostname"))
    found = table(catalog)
    newest = [schema for schema in found.metadata.schemas if schema.schema_id == found.metadata.current_schema_id]
    found.metadata = found.metadata.model_copy(update={"schemas": newest})
    assert remembered(found) == ids
    said = {name: text for name, text in found.metadata.properties.items() if name != TABLE}
    found.metadata = found.metadata.model_copy(update={"properties": said})
    assert remembered(found) == ids
    found.metadata = found.metadata.model_copy(update={"properties": said, "snapshots": []})
    assert remembered(found) is None
