"""Column metrics in the manifests, as `write.metadata.metrics.*` say."""

from __future__ import annotations

from dataclasses import replace as changed

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile

from influx_lake.errors import SchemaConflict
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, replace, rows, table

METRICS = "write.metadata.metrics."


def entry(catalog: Catalog, **properties: str) -> tuple[DataFile, dict[str, int]]:
    """The file of a day that was written with these properties, out of the manifest, and the columns' ids."""
    long = [f"a-long-name-of-a-host-{i}" for i in range(10)]
    batch = rows(day(0), 10).set_column(1, "host", pa.array(long)).append_column("room no", pa.array(long))
    target = changed(TARGET, properties={METRICS + key: value for key, value in properties.items()})
    assert replace(catalog, day(0), batch, target=target).files_added == 1
    snapshot = table(catalog).current_snapshot()
    assert snapshot is not None
    entries = [
        entry
        for manifest in snapshot.manifests(table(catalog).io)
        for entry in manifest.fetch_manifest_entry(table(catalog).io)
    ]
    return entries[-1].data_file, {field.name: field.field_id for field in table(catalog).schema().fields}


def columns(found: dict[int, object] | None, ids: dict[str, int]) -> set[str]:
    return {name for name, number in ids.items() if number in (found or {})}


def test_by_default_bounds_are_truncated(catalog: Catalog) -> None:
    file, ids = entry(catalog)
    assert columns(file.lower_bounds, ids) == set(ids)
    assert file.lower_bounds[ids["host"]] == b"a-long-name-of-a"


@pytest.mark.parametrize(("mode", "counted"), [("none", False), ("counts", True)])
def test_less_than_bounds(catalog: Catalog, mode: str, counted: bool) -> None:
    file, ids = entry(catalog, default=mode)
    assert columns(file.lower_bounds, ids) == columns(file.upper_bounds, ids) == {"time"}
    assert columns(file.value_counts, ids) == (set(ids) if counted else {"time"})
    assert columns(file.null_value_counts, ids) == (set(ids) if counted else {"time"})


def test_lengths(catalog: Catalog) -> None:
    file, ids = entry(catalog, default="truncate(6)")
    assert (file.lower_bounds[ids["host"]], file.upper_bounds[ids["host"]]) == (b"a-long", b"a-lonh")
    file, ids = entry(catalog, default="full")
    assert file.upper_bounds[ids["host"]] == b"a-long-name-of-a-host-9"


def test_single_columns(catalog: Catalog) -> None:
    file, ids = entry(catalog, **{"default": "none", "column.room no": "truncate(3)", "column.value": "counts"})
    assert columns(file.lower_bounds, ids) == {"time", "room no"}
    assert file.lower_bounds[ids["room no"]] == b"a-l"
    assert columns(file.value_counts, ids) == {"time", "room no", "value"}


def test_a_limit_of_columns(catalog: Catalog) -> None:
    file, ids = entry(catalog, **{"max-inferred-column-defaults": "2", "column.count": "counts"})
    assert columns(file.lower_bounds, ids) == {"time", "host"}
    assert columns(file.value_counts, ids) == {"time", "host", "count"}
    file, ids = entry(catalog, **{"max-inferred-column-defaults": "0", "default": "full"})
    assert columns(file.lower_bounds, ids) == set(ids) - {"count"}


def test_others_cannot_take_the_bounds_of_the_time_away(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    with table(catalog).transaction() as transaction:
        transaction.set_properties({METRICS + "default": "none", METRICS + "column.time": "none"})
    file, ids = entry(catalog)
    assert columns(file.lower_bounds, ids) == {"time"}
    assert replace(catalog, day(0), rows(day(0), 4)).previous_rows == 10
    assert held(catalog).num_rows == 4


def test_a_column_that_does_not_exist(catalog: Catalog) -> None:
    with pytest.raises(SchemaConflict, match=r"metrics.column.hots cannot be honoured: .*no column 'hots', only time"):
        entry(catalog, **{"column.hots": "none"})
    assert not catalog.namespace_exists("telemetry")
