"""Arbitrary points, from line protocol to a table, read back through other engines: equal, value by value."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influx_lake.config import (
    ColumnNames,
    InfluxDB3Config,
    Nanoseconds,
    Secret,
    TimeType,
    TypeOptions,
    Unsigned,
    column_name,
)
from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.integration.typed_lake import Row, TypedLake, measurement, through_duckdb, through_polars

Points = dict[tuple[int, str | None], Row]

TAG, FIELDS = "Host Name", ("aFloat", "an int", "Unsigned", "flag", "text.value")
WINDOW = Window(EPOCH - timedelta(hours=1), EPOCH + timedelta(hours=1))
HOUR_NS = 3_600 * 10**9
MICROSECONDS = st.integers(-HOUR_NS // 1000, HOUR_NS // 1000 - 1).map(lambda us: us * 1000)
NANOSECONDS = st.integers(-HOUR_NS, HOUR_NS - 1) | st.integers(-3000, 3000) | MICROSECONDS
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)
TAG_VALUE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\\"), min_size=1)
_numbers = itertools.count()


def points(times: st.SearchStrategy[int], largest: int) -> st.SearchStrategy[Points]:
    fields = st.fixed_dictionaries(
        {},
        optional=dict(
            zip(
                FIELDS,
                (
                    st.floats(allow_nan=False, allow_infinity=False),
                    st.integers(-(2**63), 2**63 - 1),
                    st.integers(0, largest),
                    st.booleans(),
                    TEXT,
                ),
                strict=True,
            )
        ),
    ).filter(bool)
    return st.dictionaries(st.tuples(times, st.none() | TAG_VALUE), fields, min_size=1, max_size=40)


# Every combination that claims to be exact, with the points for which it does.
EXACT = st.one_of(
    st.tuples(st.just(nanoseconds), st.just(unsigned), points(times, largest))
    for nanoseconds, times in (
        (Nanoseconds.KEEP, NANOSECONDS),
        (Nanoseconds.TRUNCATE, MICROSECONDS),
        (Nanoseconds.REFUSE, MICROSECONDS),
    )
    for unsigned, largest in ((Unsigned.DECIMAL, 2**64 - 1), (Unsigned.LONG, 2**63 - 1))
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TypedLake]:
    folder: Path = tmp_path_factory.mktemp("lake")
    properties = {"type": "sql", "uri": f"sqlite:///{folder}/c.db", "warehouse": f"{folder}/w"}
    with Sandbox() as box:
        source = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=Secret(str(box.token))))
        yield TypedLake(box, source, open_catalog("lake", properties))
        source.close()


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EXACT, st.sampled_from(TimeType), st.sampled_from(ColumnNames))
def test_what_comes_out_is_what_went_in(
    lake: TypedLake, exact: tuple[Nanoseconds, Unsigned, Points], time_type: TimeType, names: ColumnNames
) -> None:
    nanoseconds, unsigned, written = exact
    options = TypeOptions(nanoseconds=nanoseconds, unsigned=unsigned, time_type=time_type, column_names=names)
    of = measurement(f"m{next(_numbers)}", options)
    lake.write(*(line(of.name, time, host, fields) for (time, host), fields in written.items()))
    result = lake.load(of, WINDOW)
    table = lake.table(of)
    is_whole = "time_ns" in lake.types(of)
    assert is_whole == any(time % 1000 for time, _ in written)
    assert result.rows == len(written)
    for engine in (through_polars, through_duckdb):
        found = [(key_of(row, names, is_whole=is_whole), values_of(row, names)) for row in engine(table)]
        assert len(found) == len(written)
        assert dict(found) == {key: values_of(fields, ColumnNames.KEEP) for key, fields in written.items()}


def line(name: str, time: int, host: str | None, fields: Row) -> str:
    written: dict[str, Callable[[Any], str]] = {
        "aFloat": repr,
        "an int": lambda value: f"{value}i",
        "Unsigned": lambda value: f"{value}u",
        "flag": str,
        "text.value": lambda value: '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"',
    }
    tag = f",{escaped(TAG)}={escaped(host)}" if host is not None else ""
    return f"{name}{tag} {','.join(f'{escaped(key)}={written[key](value)}' for key, value in fields.items())} {time}"


def escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in ",= " else letter for letter in text)


def key_of(row: Row, names: ColumnNames, *, is_whole: bool) -> tuple[int, str | None]:
    time: datetime = row["time"]
    microseconds = (time.replace(tzinfo=EPOCH.tzinfo) - EPOCH) // timedelta(microseconds=1)
    whole = row["time_ns"] if is_whole else microseconds * 1000
    assert whole // 1000 == microseconds
    return whole, row.get(column_name(TAG, names))


def values_of(row: Row, names: ColumnNames) -> tuple[str | None, ...]:
    """The fields as text, which tells 0.0 from -0.0 and no value from an empty one."""
    found = {name: row.get(column_name(name, names)) for name in FIELDS}
    found["Unsigned"] = None if found["Unsigned"] is None else int(found["Unsigned"])
    return tuple(None if value is None else repr(value) for value in found.values())
