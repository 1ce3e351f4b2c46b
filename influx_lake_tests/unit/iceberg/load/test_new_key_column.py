"""Points told apart by a column that older files of the window do not have."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import WriteOptions
from influx_lake.errors import DataRefused
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, stream
from testbed.loads import CheckedBy, load_of

TEXTS = [
    pa.string(),
    *(
        pytest.param(kind, marks=pytest.mark.slow)
        for kind in (pa.dictionary(pa.int32(), pa.string()), pa.large_string(), pa.string_view())
    ),
]
MODES = ["upsert", "upsert merging fields", "upsert sorted", "replace keeping what is missing"]


def points(keys: dict[str, pa.DataType], *rows: tuple[Any, ...]) -> pa.RecordBatch:
    """Rows of a minute of the first day, the values of the keys, and a value."""
    minutes, *values = zip(*rows, strict=True)
    times = [(day(0).start_us + minute * 60_000_000) * 1000 for minute in minutes]
    columns = [pa.array(given, kind) for given, kind in zip(values, (*keys.values(), pa.float64()), strict=True)]
    names = ["time", *keys, "value"]
    return pa.RecordBatch.from_arrays([pa.array(times, pa.timestamp("ns")), *columns], names)


def load(catalog: Catalog, mode: str, key: tuple[str, ...], *batches: pa.RecordBatch) -> None:
    target = changed(TARGET, key=key, tags=key)
    if mode == "replace keeping what is missing":
        keeps = lambda rows, previous: True  # noqa: E731
        replace_window(load_of(catalog, target, stream(*batches), day(0), PROVENANCE, guard=CheckedBy(keeps=keeps)))
        return
    if mode == "upsert sorted":
        target = changed(target, write=WriteOptions.model_validate({"sort_by": ["host", "time"]}))
    upsert_window(
        load_of(catalog, target, stream(*batches), day(0), PROVENANCE, merge_fields=mode == "upsert merging fields")
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", TEXTS, ids=str)
@pytest.mark.parametrize(("old_points_come", "twice"), [(False, False), (True, True)])
def test_old_points_have_none_of_it(
    catalog: Catalog, mode: str, kind: pa.DataType, old_points_come: bool, twice: bool
) -> None:
    load(catalog, mode, ("host",), points({"host": kind}, (0, "a", 1.0), (0, "b", 2.0), (9, "a", 3.0)))
    keys = {"host": kind, "region": kind}
    new = [(0, "a", "eu", 10.0), (1, "c", "us", 11.0)] + ([(0, "a", None, 1.5)] if old_points_come else [])
    coming = [points(keys, *(new + new[:1] if twice else new))]
    load(catalog, mode, ("host", "region"), *coming)
    expected = [
        (0, "a", None, 1.5 if old_points_come else 1.0),
        (0, "a", "eu", 10.0),
        (0, "b", None, 2.0),
        (1, "c", "us", 11.0),
        (9, "a", None, 3.0),
    ]
    found = [
        ((row["time"] - day(0).start).seconds // 60, row["host"], row["region"], row["value"])
        for row in held(catalog).to_pylist()
    ]
    assert sorted(found, key=str) == sorted(expected, key=str)
    # What came by then is in files that have the column.
    load(catalog, mode, ("host", "region"), points(keys, (9, "a", None, 4.0), (9, "a", "eu", 5.0)))
    assert held(catalog).num_rows == 6
    assert sorted(held(catalog).column("value").to_pylist())[-3:] == [5.0, 10.0, 11.0]


@pytest.mark.parametrize("mode", [MODES[0], MODES[1]])
@pytest.mark.parametrize(
    ("kind", "value", "other"),
    [
        (pa.int64(), 2**40, 7),
        pytest.param(pa.int32(), 5, 6, marks=pytest.mark.slow),
        (pa.uint64(), 2**64 - 1, 1),
        (pa.bool_(), True, False),
        pytest.param(pa.float64(), 0.5, 1.5, marks=pytest.mark.slow),
        (pa.timestamp("ns"), 1000, 2000),
    ],
    ids=str,
)
def test_a_key_of_another_type(catalog: Catalog, mode: str, kind: pa.DataType, value: Any, other: Any) -> None:
    load(catalog, mode, ("host",), points({"host": pa.string()}, (0, "a", 1.0)))
    keys = {"host": pa.string(), "slot": kind}
    load(catalog, mode, ("host", "slot"), points(keys, (0, "a", value, 2.0), (0, "a", other, 3.0)))
    load(catalog, mode, ("host", "slot"), points(keys, (0, "a", value, 4.0)))
    assert sorted(held(catalog).column("value").to_pylist()) == [1.0, 3.0, 4.0]


@pytest.mark.parametrize("mode", MODES)
def test_a_key_that_takes_points_for_one_is_refused(catalog: Catalog, mode: str) -> None:
    """Twenty-four points do not become twelve; a point that comes twice is one."""
    keys = {"host": pa.string(), "core": pa.string()}
    target = changed(TARGET, key=("host",), tags=("host", "core"))

    def load(*batches: pa.RecordBatch) -> None:
        if mode == "replace keeping what is missing":
            keeps = lambda rows, previous: True  # noqa: E731
            replace_window(load_of(catalog, target, stream(*batches), day(0), PROVENANCE, guard=CheckedBy(keeps=keeps)))
        else:
            options = WriteOptions.model_validate({"sort_by": ["host"]} if mode == "upsert sorted" else {})
            merges = mode == "upsert merging fields"
            upsert_window(
                load_of(
                    catalog, changed(target, write=options), stream(*batches), day(0), PROVENANCE, merge_fields=merges
                )
            )

    load(points(keys, (0, "a", "0", 0.0), (0, "a", "0", 1.0), (1, "a", None, 2.0), (1, "a", None, 3.0)))
    assert held(catalog).column("value").to_pylist() == [1.0, 3.0]
    alike = points(keys, *((minute, "a", core, 5.0) for minute in range(12) for core in ("0", None)))
    said = r"at 2026-01-01T00:0\d:00.*Z those of host='a' have core='0' and core=\(none\)"
    with pytest.raises(DataRefused, match=said) as refused:
        load(alike)
    assert "Add core to write.key" in str(refused.value.remedy)
    assert held(catalog).column("value").to_pylist() == [1.0, 3.0]
