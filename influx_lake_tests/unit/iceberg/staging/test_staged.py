"""A schema or layout changes in the commit of the rows that need it, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as changed
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.types import LongType, StringType

from influx_lake.config import OnTypeConflict, SchemaEvolution, TypeOptions, WriteOptions
from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.errors import ColumnsChanged, DataRefused, SchemaConflict
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, Batches, day, held, replace, rows, table
from testbed.loads import load_of

WIDER = changed(
    TARGET,
    key=("host",),
    partition=(PartitionTerm("bucket", "host", 4),),
    properties={"team": "platform"},
    types=TypeOptions(types={"count": "decimal(20, 0)"}),
    schema_evolution=SchemaEvolution.FULL,
    write=WriteOptions(sort_by=(SortTerm("level"),)),
)


def with_level(batch: pa.RecordBatch, name: str = "level") -> pa.RecordBatch:
    return batch.append_column(name, pa.array([f"{name} {i}" for i in range(len(batch))]))


def failing(batch: pa.RecordBatch) -> Batches:
    """A window whose last rows do not fit."""

    def batches() -> Any:
        yield batch
        raise DataRefused("the last row does not fit")

    return Batches(batch.schema, batches())


def replace_with(catalog: Catalog, target: TableTarget, rows: Batches) -> None:
    replace_window(load_of(catalog, target, rows, day(1), PROVENANCE))


class Reading:
    """Reads the one window."""

    def __init__(self, rows: Batches) -> None:
        self.rows = rows

    def __call__(self, window: object) -> Reading:
        return self

    def __enter__(self) -> Batches:
        return self.rows

    def __exit__(self, *exception: object) -> None:
        pass


LOADS: dict[str, Callable[[Catalog, TableTarget, Batches], object]] = {
    "replace": replace_with,
    "upsert": lambda catalog, target, rows: upsert_window(load_of(catalog, target, rows, day(1), PROVENANCE)),
    "merge_fields": lambda catalog, target, rows: upsert_window(
        load_of(catalog, target, rows, day(1), PROVENANCE, merge_fields=True)
    ),
    "append": lambda catalog, target, rows: append_window(load_of(catalog, target, Reading(rows), day(1), PROVENANCE)),
}


@pytest.mark.parametrize("load", LOADS)
def test_a_window_that_fails_leaves_the_table_as_it_was(catalog: Catalog, load: str) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    target = changed(WIDER, types=TypeOptions())
    before = table(catalog).metadata_location
    with pytest.raises(DataRefused, match="the last row"):
        LOADS[load](catalog, target, failing(with_level(rows(day(1), 10))))
    assert table(catalog).metadata_location == before
    batch = with_level(rows(day(1), 10))
    LOADS[load](catalog, target, Batches(batch.schema, [batch]))
    after = table(catalog)
    assert len(after.metadata.snapshots) == 2
    assert after.metadata.snapshots[-1].schema_id == after.schema().schema_id
    assert ([field.name for field in after.spec().fields], after.properties["team"]) == (["host_bucket_4"], "platform")
    assert held(catalog).column("level").to_pylist() == [None] * 10 + batch.column("level").to_pylist()


@pytest.mark.parametrize("load", LOADS)
def test_a_first_load_that_fails_binds_the_next_to_nothing(catalog: Catalog, load: str) -> None:
    wrong = rows(day(1), 5).set_column(2, "value", pa.array(["x"] * 5)).append_column("typo", pa.array([1] * 5))
    with pytest.raises(DataRefused, match="the last row"):
        LOADS[load](catalog, changed(TARGET, key=("host",)), failing(wrong))
    batch = rows(day(1), 5)
    target = changed(TARGET, key=("host",), types=TypeOptions.model_validate({"time_type": "timestamp"}))
    LOADS[load](catalog, target, Batches(batch.schema, [batch]))
    schema = table(catalog).schema()
    assert [(field.name, str(field.field_type)) for field in schema.fields] == [
        ("time", "timestamp"),
        ("host", "string"),
        ("value", "double"),
        ("count", "long"),
    ]
    assert table(catalog).scan().to_arrow().sort_by("time").column("value").to_pylist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_what_others_added_to_a_table_that_was_never_loaded_stays(catalog: Catalog) -> None:
    with pytest.raises(DataRefused):
        replace_with(catalog, TARGET, failing(rows(day(1), 5)))
    with table(catalog).update_schema() as update:
        update.add_column("note", StringType())
    replace(catalog, day(1), rows(day(1), 5).drop_columns(["count"]))
    assert table(catalog).schema().column_names == ["time", "host", "value", "note"]


@pytest.mark.parametrize("load", LOADS)
def test_field_ids_that_others_took_are_not_written_to(catalog: Catalog, load: str) -> None:
    """Between the writing of the files and their commit, another column gets the id that theirs was to have."""
    replace(catalog, day(0), rows(day(0), 10))
    batch = with_level(rows(day(1), 10))

    def interfere() -> Any:
        yield batch
        with table(catalog).update_schema() as update:
            update.add_column("other", StringType())
        with table(catalog).update_spec() as update:
            update.add_field("count", "bucket[4]")

    LOADS[load](catalog, changed(TARGET, key=("host",)), Batches(batch.schema, interfere()))
    found = held(catalog).select(["time", "other", "level"])
    assert found.column("other").to_pylist() == [None] * 20
    assert found.column("level").to_pylist() == [None] * 10 + batch.column("level").to_pylist()
    added = table(catalog).inspect.files().to_pylist()
    assert {each["spec_id"] for each in added} == {0, 1}


def test_a_column_that_others_made_with_another_type_meanwhile(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    batch = with_level(rows(day(1), 10))

    def interfere() -> Any:
        yield batch
        with table(catalog).update_schema() as update:
            update.add_column("level", LongType())

    with pytest.raises(SchemaConflict, match="'level' is string in the source and long in the table"):
        replace_with(catalog, TARGET, Batches(batch.schema, interfere()))
    with table(catalog).update_schema() as update:
        update.delete_column("level")
    beside = changed(TARGET, types=TypeOptions(on_type_conflict=OnTypeConflict.NEW_COLUMN))
    with pytest.raises(ColumnsChanged, match="another tool changed columns"):
        replace_with(catalog, beside, Batches(batch.schema, interfere()))
    assert held(catalog).num_rows == 10
    replace(catalog, day(1), batch, target=beside)
    assert held(catalog).column("level__string").to_pylist() == [None] * 10 + batch.column("level").to_pylist()


def test_a_lost_race_stages_again(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    interfering = Interfering(catalog)
    interfering.before = [CommitFailedException("another writer was first"), None]
    replace(catalog, day(1), with_level(rows(day(1), 10)), target=changed(WIDER, types=TypeOptions()))
    assert interfering.asked == 2
    assert held(catalog).num_rows == 20
    assert len(table(catalog).metadata.schemas) == 2


@pytest.mark.slow
def test_sixteen_writers_bring_columns_of_their_own_at_once(catalog: Catalog, properties: dict[str, str]) -> None:
    replace(catalog, day(0), rows(day(0), 3))
    together = threading.Barrier(16)

    def bring(number: int) -> None:
        own = open_catalog("lake", properties)
        together.wait()
        replace(own, day(number), with_level(rows(day(number), 3), f"own_{number}"))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(bring, range(1, 17)))
    found = held(catalog).to_pylist()
    assert len(found) == 3 + 16 * 3
    for row in found:
        number = (row["time"] - day(0).start) // timedelta(days=1)
        own = {name: row[name] for name in row if name.startswith("own_") and row[name] is not None}
        assert [text.rpartition(" ")[0] for text in own.values()] == ([f"own_{number}"] if number else [])
        assert list(own) == ([f"own_{number}"] if number else [])
    fields = table(catalog).schema().fields
    assert len({field.field_id for field in fields}) == len(fields) == 20
