"""`frames.scan`: the same rows from both engines, and no file opened that is not needed."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.types import StringType

from influx_lake.errors import CatalogRefused, ConfigurationError
from influx_lake.frames import scan
from influx_lake_tests.integration.queried_lake import LARGEST, SCHEMA, QueriedLake, only_days, rows
from influx_lake_tests.unit.iceberg.compaction.deletes import delete_equal, delete_rows

Engine = Literal["polars", "duckdb"]


@pytest.fixture
def lake(tmp_path: Path) -> QueriedLake:
    lake = QueriedLake(tmp_path)
    lake.write()
    return lake


def found(lake: QueriedLake, engine: Engine, *arguments: Any, **options: Any) -> list[dict[str, Any]]:
    if engine == "polars":
        frame = scan("cpu", *arguments, lake=lake.config, engine="polars", **options)
        assert isinstance(frame, pl.LazyFrame)
        return frame.collect().to_arrow().to_pylist()
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        relation = scan("cpu", *arguments, lake=lake.config, engine="duckdb", connection=connection, **options)
        return relation.to_arrow_table().to_pylist()


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_only_the_files_of_the_range_are_opened(lake: QueriedLake, engine: Engine) -> None:
    table = lake.table()
    for day in range(4):
        table.append(rows(day))
    only_days(lake, {2})
    for start, end in (("2026-01-03", "2026-01-04"), (date(2026, 1, 3), datetime(2026, 1, 4, tzinfo=UTC))):
        rows_found = found(lake, engine, start, end, columns=["usage.user", "bytes"])
        assert sorted(row["usage.user"] for row in rows_found) == [2.0, 2.1, 2.2]
        assert rows_found[0] == {"usage.user": rows_found[0]["usage.user"], "bytes": LARGEST - 2}
    # The bounds are half-open.
    assert len(found(lake, engine, "2026-01-03T01:00Z", "2026-01-03T02:00Z", columns=["host"])) == 1


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_one_bound_or_none(lake: QueriedLake, engine: Engine) -> None:
    table = lake.table()
    for day in range(2):
        table.append(rows(day))
    assert len(found(lake, engine)) == 6
    assert len(found(lake, engine, "2026-01-02")) == 3
    assert len(found(lake, engine, None, "2026-01-01T02:00Z")) == 2


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_times_without_a_zone_are_utc(lake: QueriedLake, engine: Engine) -> None:
    schema = pa.schema({"time": pa.timestamp("us"), "host": pa.string()})
    table = lake.table(schema=schema)
    for day in (1, 2):
        table.append(
            pa.table(
                {"time": [datetime(2026, 1, day, 12, tzinfo=UTC).replace(tzinfo=None)], "host": [f"h{day}"]}, schema
            )
        )
    assert found(lake, engine, "2026-01-02T12:00Z", columns=["host"]) == [{"host": "h2"}]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_as_of_is_the_table_of_then(lake: QueriedLake, engine: Engine) -> None:
    table = lake.table()
    table.append(rows(0))
    then = table.current_snapshot()
    assert then is not None
    with table.update_schema() as update:
        update.add_column("later", StringType())
    table.append(rows(1).append_column("later", pa.array(["x"] * 3)))
    assert "later" in found(lake, engine)[0]
    for as_of in (then.snapshot_id, datetime.fromtimestamp(then.timestamp_ms / 1000, UTC)):
        before = found(lake, engine, as_of=as_of)
        assert len(before) == 3
        assert list(before[0]) == SCHEMA.names
    with pytest.raises(ConfigurationError, match="had no snapshot"):
        found(lake, engine, as_of="2020-01-01")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_columns_that_differ_in_case_are_distinguished(lake: QueriedLake, engine: Engine) -> None:
    schema = pa.schema({"time": pa.timestamp("us", "UTC"), "Host": pa.string(), "host": pa.string()})
    table = lake.table(schema=schema)
    table.append(pa.table({"time": [datetime(2026, 1, 1, tzinfo=UTC)], "Host": ["A"], "host": ["b"]}, schema))
    assert found(lake, engine, columns=["host"]) == [{"host": "b"}]
    assert found(lake, engine, columns=["Host"]) == [{"Host": "A"}]


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_deletes_of_other_engines_are_applied(lake: QueriedLake, engine: Engine) -> None:
    lake.table().append(rows(0))
    [task] = lake.catalog.load_table(("telemetry", "cpu")).scan().plan_files()
    delete_rows(lake.catalog, [(task.file, [1])])
    assert [row["host"] for row in found(lake, engine)] == ["h0", "h2"]
    delete_equal(lake.catalog, task.file, "h2")
    if engine == "duckdb":
        assert [row["host"] for row in found(lake, engine)] == ["h0"]
    else:
        with pytest.raises(CatalogRefused, match="equality deletes"):
            found(lake, engine)


def test_mistakes(lake: QueriedLake) -> None:
    lake.table()
    with pytest.raises(ConfigurationError, match="has no column hosd"):
        scan("cpu", columns=["hosd"], lake=lake.config)
    with pytest.raises(ConfigurationError, match="no measurement nix"):
        scan("nix", lake=lake.config)
    with pytest.raises(ConfigurationError, match="no date or time"):
        scan("cpu", "yesterday", lake=lake.config)
    with pytest.raises(CatalogRefused, match=r"no table telemetry\.mem"):
        scan("mem", lake=lake.config)


class TimeOfPandas(datetime):
    """A `pandas.Timestamp` is a datetime that has nanoseconds besides."""

    nanosecond = 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"engine": "spark"}, "no engine 'spark'"),
        ({"columns": []}, "asks for no column"),
        ({"columns": "host"}, "no list of columns"),
        ({"columns": ["host", "bytes", "host"]}, "host is asked for twice"),
        ({"start": 5}, "5 is no date or time"),
        ({"end": 5.0}, "5.0 is no date or time"),
        ({"start": "2026-01-01T00:00:00.000000001Z"}, "is no date or time, to the microsecond"),
        ({"start": TimeOfPandas(2026, 1, 1)}, "is no date or time, to the microsecond"),
    ],
)
@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_arguments_that_are_none(lake: QueriedLake, engine: Engine, options: dict[str, Any], told: str) -> None:
    lake.table()
    with pytest.raises(ConfigurationError, match=told):
        scan("cpu", **{"lake": lake.config, "engine": engine, **options})


def test_a_name_of_several_tables_is_none(lake: QueriedLake) -> None:
    lake.write({"cpu": {}, "mem": {"table": "cpu", "namespace": "other"}})
    lake.table().append(rows(0))
    with pytest.raises(ConfigurationError, match=r"cpu is several tables: telemetry\.cpu, other\.cpu"):
        scan("cpu", lake=lake.config)
    assert scan("telemetry.cpu", lake=lake.config).collect().height == 3


def test_the_default_connection_joins_relations(lake: QueriedLake) -> None:
    lake.table().append(rows(0))
    cpu = scan("cpu", lake=str(lake.config), engine="duckdb")
    assert cpu.aggregate("count(*)").fetchone() == (3,)
    assert duckdb.sql("select count(*) from cpu a join cpu b using (host)").fetchone() == (3,)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_the_extra_is_named(lake: QueriedLake, engine: Engine) -> None:
    lake.table()
    script = (
        "import sys; sys.modules[{0!r}] = None\n"
        "from influx_lake.frames import scan\n"
        "scan('cpu', lake={1!r}, engine={0!r})"
    )
    command = [sys.executable, "-c", script.format(engine, str(lake.config))]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert f"pip install 'influx-lake[{engine}]'" in result.stderr
