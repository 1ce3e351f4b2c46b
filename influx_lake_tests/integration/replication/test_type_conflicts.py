"""A field whose type changed in the source, where its table cannot follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
from pyiceberg.table import Table

from influx_lake.cli.loading import window_line
from influx_lake.config import (
    InfluxDB3Config,
    OnChangedValues,
    OnTypeConflict,
    SchemaEvolution,
    Secret,
    TypeOptions,
    WriteOptions,
)
from influx_lake.config.values.windows import Window
from influx_lake.errors import SchemaConflict, StorageError, WindowShrank
from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit
from influx_lake.iceberg.writer import writer
from influx_lake.orchestration.window_metadata import replication_facts
from influx_lake.replication.facts import window_facts
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.integration.typed_lake import START_NS, Row, TypedLake, day, measurement, through_duckdb

UPSTREAM = dg.AssetKey(["influxdb", "telemetry", "cpu"])

ASIDE = measurement(types=TypeOptions(on_type_conflict=OnTypeConflict.QUARANTINE))
BESIDE = measurement(
    types=TypeOptions(on_type_conflict=OnTypeConflict.NEW_COLUMN), on_changed_values=OnChangedValues.LOAD
)
QUARANTINE = measurement(table="cpu__quarantine")


@pytest.fixture
def changed(typed_lake: TypedLake) -> Iterator[InfluxDB3Source]:
    """The same measurement after its field became a string, as a database made anew has it."""
    source = InfluxDB3Source(
        InfluxDB3Config(host=typed_lake.box.url, database="changed", token=Secret(str(typed_lake.box.token)))
    )
    yield source
    source.close()


@pytest.fixture
def shorter(typed_lake: TypedLake) -> Iterator[InfluxDB3Source]:
    """A server that has forgotten most of it."""
    typed_lake.write(*points('value="v"', count=2), database="shorter")
    source = InfluxDB3Source(
        InfluxDB3Config(host=typed_lake.box.url, database="shorter", token=Secret(str(typed_lake.box.token)))
    )
    yield source
    source.close()


def points(field: str, count: int = 3, first: int = 0) -> list[str]:
    return [f"cpu,host=h{i} {field.format(i=i)} {START_NS + (first + i) * 1000}" for i in range(count)]


def quarantined(lake: TypedLake, window: Window | int = 0) -> list[Row]:
    return lake.rows(QUARANTINE, window)


def test_it_fails_where_nothing_is_stated(typed_lake: TypedLake, changed: InfluxDB3Source) -> None:
    typed_lake.write(*points("value={i}"))
    typed_lake.load(measurement())
    typed_lake.write(*points('value="v{i}",other={i}'), database="changed")
    with pytest.raises(SchemaConflict, match="'value' is string in the source and double in the table"):
        typed_lake.load(measurement(), source=changed)
    assert "other" not in typed_lake.types(measurement())


def test_a_new_column_beside_the_old_one(typed_lake: TypedLake, changed: InfluxDB3Source) -> None:
    typed_lake.write(*points("value={i}"))
    typed_lake.load(BESIDE)
    typed_lake.write(*points('value="v{i}",other={i}'), database="changed")
    result = typed_lake.load(BESIDE, source=changed)
    assert typed_lake.load(BESIDE, source=changed).previous_rows == result.rows == 3
    assert typed_lake.types(BESIDE) == {
        "time": "timestamptz",
        "host": "string",
        "value": "double",
        "other": "double",
        "value__string": "string",
    }
    rows = sorted(through_duckdb(typed_lake.table(BESIDE)), key=lambda row: str(row["host"]))
    assert [(row["value"], row["value__string"], row["other"]) for row in rows] == [
        (None, f"v{i}", float(i)) for i in range(3)
    ]
    facts = replication_facts(result, UPSTREAM)
    columns = {column.name: column for column in facts["dagster/column_schema"].value.columns}  # type: ignore[union-attr]
    assert list(columns["value__string"].tags) == ["field"]
    # When the type comes back, so do the values in the first column.
    typed_lake.load(BESIDE)
    assert [(row["value"], row["value__string"]) for row in typed_lake.rows(BESIDE)] == [
        (float(i), None) for i in range(3)
    ]


def test_a_new_column_is_refused_where_its_name_is_taken(typed_lake: TypedLake, changed: InfluxDB3Source) -> None:
    typed_lake.write(*points("value={i}"))
    typed_lake.load(BESIDE)
    typed_lake.write(*points('value="v",value__string="w"'), database="changed")
    with pytest.raises(SchemaConflict, match="'value__string'"):
        typed_lake.load(BESIDE, source=changed)
    strict = replace(BESIDE, schema_evolution=SchemaEvolution.STRICT)
    typed_lake.write(*(line.replace("cpu", "other") for line in points("value={i}")))
    with pytest.raises(SchemaConflict, match="value__string"):
        typed_lake.load(strict, source=changed)


def test_rows_that_do_not_fit_go_to_quarantine_whole(typed_lake: TypedLake, changed: InfluxDB3Source) -> None:
    typed_lake.write(*points("value={i}", count=5))
    typed_lake.load(ASIDE)
    assert not typed_lake.catalog.table_exists(QUARANTINE.identifier)
    mixed = [*points('value="ü\\"{i}",big=18446744073709551615u'), *points("big=1u", count=2, first=3)]
    typed_lake.write(*mixed, f'cpu,host=fine value="x" {START_NS + 9001}', database="changed")
    for _ in range(2):
        result = typed_lake.load(ASIDE, source=changed)
        assert (result.rows, result.quarantined_rows) == (2, 4)
        assert replication_facts(result, UPSTREAM)["quarantined_rows"].value == 4
        assert "and 4 in quarantine" in window_line(ASIDE, result)
        assert window_facts(result)["quarantined_rows"] == 4
        assert [row["big"] for row in typed_lake.rows(ASIDE)] == [Decimal(1), Decimal(1)]
        rows = quarantined(typed_lake)
        assert [row["time"] - day(0).start for row in rows] == [timedelta(microseconds=us) for us in (0, 1, 2, 9)]
        assert {(row["column"], row["reason"], row["source"]) for row in rows} == {
            ("value", "'value' is string in the source and double in the table", changed.identity)
        }
        assert json.loads(rows[1]["row"]) == {
            "time": "2026-01-01T00:00:00.000001000Z",
            "host": "h1",
            "big": 18446744073709551615,
            "value": 'ü"1',
        }
        assert json.loads(rows[3]["row"])["time"] == "2026-01-01T00:00:00.000009001Z"
    spec = typed_lake.table(QUARANTINE).spec()
    assert [str(field.transform) for field in spec.fields] == ["day"]
    # Rows that fit again leave the quarantine.
    typed_lake.write(*points("value={i}", count=9))
    result = typed_lake.load(ASIDE)
    assert (result.rows, result.quarantined_rows, quarantined(typed_lake)) == (9, 0, [])


def test_other_windows_stay_in_quarantine(typed_lake: TypedLake, changed: InfluxDB3Source) -> None:
    typed_lake.write(*points("value={i}"))
    typed_lake.load(ASIDE)
    tomorrow = points('value="v"', first=86_400_000_000)
    typed_lake.write(*points('value="v"'), *tomorrow, database="changed")
    for number in (0, 1, 1):
        typed_lake.load(ASIDE, number, source=changed)
    assert [len(quarantined(typed_lake, number)) for number in (0, 1)] == [3, 3]


def test_quarantined_rows_are_not_lost_to_the_shrink_guard(
    typed_lake: TypedLake, changed: InfluxDB3Source, shorter: InfluxDB3Source
) -> None:
    typed_lake.write(*points("value={i}", count=5))
    typed_lake.load(ASIDE)
    typed_lake.write(*points('value="v"', count=4), database="changed")
    with pytest.raises(WindowShrank, match="only 4 rows"):
        typed_lake.load(ASIDE, source=changed)
    assert not typed_lake.catalog.table_exists(QUARANTINE.identifier) or quarantined(typed_lake) == []
    assert len(typed_lake.rows(ASIDE)) == 5
    typed_lake.write(*points('value="v"', count=5), database="changed")
    result = typed_lake.load(ASIDE, source=changed)
    assert (result.rows, result.empty) == (0, False)
    # And those in quarantine cannot be forgotten unnoticed either.
    with pytest.raises(WindowShrank, match=r"only 2 rows.*holds 5"):
        typed_lake.load(ASIDE, source=shorter)


def test_a_failed_run_leaves_no_files_of_its_quarantine(
    typed_lake: TypedLake, changed: InfluxDB3Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed_lake.write(*points("value={i}"))
    typed_lake.load(ASIDE)
    typed_lake.write(*points('value="v"', count=2), database="changed")
    monkeypatch.setattr(writer, "INCOMING_ROWS", 1)
    at_once = replace(ASIDE, write=WriteOptions(row_group_size=1))
    written: list[Path] = []
    delete = writer.delete_files

    def watched(table: Table, paths: list[str]) -> None:
        written.extend(path for path in map(Path, paths) if path.exists())
        delete(table, paths)

    monkeypatch.setattr(writer, "delete_files", watched)
    with pytest.raises(WindowShrank):
        typed_lake.load(at_once, source=changed)
    assert len(written) == 1
    assert not written[0].exists()
    assert quarantined(typed_lake) == []


def test_a_crash_between_the_two_commits_is_healed_by_a_re_run(
    typed_lake: TypedLake, changed: InfluxDB3Source, shorter: InfluxDB3Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed_lake.write(*points("value={i}"))
    typed_lake.load(ASIDE)
    typed_lake.write(*points('value="v"'), database="changed")
    prepare = ReplaceCommit.prepare

    def crashing(self: ReplaceCommit, properties: dict[str, str]) -> None:
        if self._staged.actual.name()[-1] == "cpu":
            raise StorageError("killed")
        prepare(self, properties)

    with monkeypatch.context() as patched:
        patched.setattr(ReplaceCommit, "prepare", crashing)
        with pytest.raises(StorageError):
            typed_lake.load(ASIDE, source=changed)
    assert (len(typed_lake.rows(ASIDE)), len(quarantined(typed_lake))) == (3, 3)
    # The guard does not take them for six.
    for _ in range(2):
        result = typed_lake.load(ASIDE, source=changed)
        assert (result.rows, result.quarantined_rows, len(quarantined(typed_lake))) == (0, 3, 3)
    with pytest.raises(WindowShrank, match=r"only 2 rows.*holds 3"):
        typed_lake.load(ASIDE, source=shorter)
