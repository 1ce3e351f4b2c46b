"""Distinct values are counted once for a snapshot, in a file that others read."""

from __future__ import annotations

from dataclasses import replace as changed
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from datasketches import compact_theta_sketch
from pyiceberg.catalog import Catalog
from pyiceberg.table.puffin import PuffinFile

from influx_lake.config.maintenance.options import ExpireOptions, StatisticsOptions
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.maintenance import statistics as module
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.statistics import statistics
from influx_lake_tests.unit.iceberg.maintenance.tasks import DAY, files_of_table, snapshots, task
from influx_lake_tests.unit.iceberg.tables import TARGET, day, replace, rows, table

TAGGED = changed(TARGET, tags=("host",))


@pytest.fixture
def loaded(catalog: Catalog) -> Catalog:
    for number in range(2):
        replace(catalog, day(number), rows(day(number), 5_000), target=TAGGED)
    return catalog


def counted(catalog: Catalog) -> dict[str, int]:
    """What the table says of its columns."""
    [file] = table(catalog).metadata.statistics
    names = {field.field_id: field.name for field in table(catalog).schema().fields}
    assert file.snapshot_id == snapshots(catalog)[-1]
    return {names[blob.fields[0]]: int((blob.properties or {})["ndv"]) for blob in file.blob_metadata}


def test_tags_where_no_columns_are_named(loaded: Catalog) -> None:
    done = statistics(task(loaded), StatisticsOptions())
    assert done.done == {"columns_counted": 1, "rows_read": 10_000}
    assert counted(loaded) == {"host": 7}


def test_the_file_is_one_that_others_read(loaded: Catalog) -> None:
    columns = ("host", "value", "count", "time")
    statistics(task(loaded), StatisticsOptions(columns=columns))
    [file] = table(loaded).metadata.statistics
    content = Path(file.statistics_path.removeprefix("file://")).read_bytes()
    assert len(content) == file.file_size_in_bytes
    puffin = PuffinFile(content)
    for blob, name in zip(puffin.footer.blobs, columns, strict=True):
        exact = pc.count_distinct(table(loaded).scan().to_arrow().column(name)).as_py()
        sketch = compact_theta_sketch.deserialize(puffin.get_blob_payload(blob))
        assert sketch.get_lower_bound(3) <= exact <= sketch.get_upper_bound(3)
        assert counted(loaded)[name] == round(sketch.get_estimate())
        assert (blob.snapshot_id, blob.type) == (file.snapshot_id, "apache-datasketches-theta-v1")


def test_a_snapshot_is_counted_once(loaded: Catalog) -> None:
    statistics(task(loaded), StatisticsOptions(columns=("host", "count")))
    location = table(loaded).metadata_location
    assert statistics(task(loaded), StatisticsOptions()).done["columns_counted"] == 0
    assert table(loaded).metadata_location == location
    replace(loaded, day(2), rows(day(2), 10), target=TAGGED)
    assert statistics(task(loaded, dry_run=True), StatisticsOptions()).done == {
        "columns_counted": 1,
        "rows_read": 10_010,
    }
    statistics(task(loaded), StatisticsOptions())
    expire_snapshots(task(loaded, ahead=30 * DAY), ExpireOptions(keep_last=1))
    assert counted(loaded) == {"host": 7}


def test_a_snapshot_that_expires_meanwhile(loaded: Catalog, lake_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sketched = module._sketched

    def then_expired(*arguments: object) -> object:
        found = sketched(*arguments)  # type: ignore[arg-type]
        replace(loaded, day(2), rows(day(2), 10), target=TAGGED)
        expire_snapshots(task(loaded, ahead=30 * DAY), ExpireOptions(keep_last=1))
        return found

    monkeypatch.setattr(module, "_sketched", then_expired)
    statistics(task(loaded), StatisticsOptions())
    assert not table(loaded).metadata.statistics
    assert not [path for path in files_of_table(lake_folder) if path.endswith(".stats")]


@pytest.mark.parametrize(("column", "message"), [("hots", "there is no such column"), ("flags", "boolean are not")])
def test_columns_that_cannot_be_counted(loaded: Catalog, column: str, message: str) -> None:
    with table(loaded).update_schema() as update:
        from pyiceberg.types import BooleanType

        update.add_column("flags", BooleanType())
    with pytest.raises(ConfigurationError, match=message):
        statistics(task(loaded), StatisticsOptions(columns=(column,)))


def test_tags_that_cannot_be_counted_are_passed_over_where_nobody_named_them(catalog: Catalog) -> None:
    tagged = changed(TAGGED, tags=("host", "on"))
    batch = rows(day(0), 3).append_column("on", pa.array([True, False, None]))
    replace(catalog, day(0), batch, target=tagged)
    assert statistics(task(catalog), StatisticsOptions()).done["columns_counted"] == 1
    assert counted(catalog) == {"host": 3}


def test_no_values_are_none(catalog: Catalog) -> None:
    batch = rows(day(0), 3)
    batch = batch.set_column(1, "host", pa.nulls(3, pa.string()))
    replace(catalog, day(0), batch, target=TAGGED)
    statistics(task(catalog), StatisticsOptions())
    assert counted(catalog) == {"host": 0}
