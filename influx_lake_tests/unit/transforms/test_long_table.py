"""A row for each value: against a plain model, exact or refused, whatever the batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config.tables.shared_tables import LongOptions
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.errors import ConfigurationError, DataRefused
from influx_lake.transforms import transformed
from influx_lake_tests.unit.transforms.memory_source import DAY, SCHEMA, MemorySource, Row, measurement

WIDE = MeasurementSchema(
    "cpu",
    (
        *SCHEMA.columns,
        Column("unsigned", Role.FIELD, ColumnType.UINTEGER),
        Column("busy__text", Role.FIELD, ColumnType.STRING, variant_of="busy"),
    ),
)
OPTIONS = st.builds(LongOptions, integers=st.booleans(), booleans=st.booleans(), texts=st.booleans())
ROWS = st.lists(
    st.fixed_dictionaries(
        {"time": st.integers(DAY.start_us * 1000, DAY.end_us * 1000 - 1)},
        optional={
            "host": st.sampled_from(["a", "b=,\\", ""]),
            "region": st.sampled_from(["eu", "us"]),
            "busy": st.floats(-1e9, 1e9),
            "count": st.integers(-(2**53), 2**53),
            "on": st.booleans(),
            "text": st.text(max_size=3),
            "unsigned": st.integers(0, 2**53),
            "busy__text": st.text(max_size=3),
        },
    ),
    max_size=12,
)


def long_rows(source: MemorySource, options: LongOptions, **transforms: Any) -> list[Row]:
    of = replace(measurement(**transforms), layout=options)
    shaped = transformed(source, of)
    with shaped.read(shaped.schema("cpu"), DAY) as rows:
        assert rows.schema.names == [column.name for column in shaped.schema("cpu").columns]
        found: list[Row] = []
        for batch in rows:
            assert batch.schema == rows.schema
            batch.validate(full=True)
            times = batch.column("time").cast(pa.int64()).to_pylist()
            plain = batch.drop_columns(["time"]).to_pylist()
            found += [{"time": time, **row, "tags": dict(row["tags"])} for time, row in zip(times, plain, strict=True)]
    assert shaped.count("cpu", DAY) == len(found)
    return found


def modelled(rows: list[Row], options: LongOptions) -> list[Row]:
    places = {
        "busy": "metric_value",
        "count": "value_integer" if options.integers else "metric_value",
        "on": "value_boolean" if options.booleans else "metric_value",
        "text": "value_string" if options.texts else None,
        "unsigned": "value_integer" if options.integers else "metric_value",
        "busy__text": "value_string" if options.texts else None,
    }
    return [
        {
            "time": row["time"],
            "measurement": "cpu",
            "tags": {tag: row[tag] for tag in ("host", "region") if row.get(tag) is not None},
            "metric_name": "busy" if name == "busy__text" else name,
            **dict.fromkeys(options.columns[3:]),
            into: float(row[name]) if into == "metric_value" else row[name],
        }
        for row in rows
        for name, into in places.items()
        if into is not None and row.get(name) is not None
    ]


def ordered(rows: list[Row]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)


@settings(max_examples=40)
@given(rows=ROWS, options=OPTIONS, batch_rows=st.integers(1, 5))
def test_the_rows_are_those_of_a_model(rows: list[Row], options: LongOptions, batch_rows: int) -> None:
    source = MemorySource(rows, schema_=WIDE, batch_rows=batch_rows)
    assert ordered(long_rows(source, options)) == ordered(modelled(rows, options))


AT = DAY.start_us * 1000 + 1


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**53 + 2, 2**62, -(2**63)])
def test_integers_that_a_double_is_equal_to(value: int) -> None:
    [row] = long_rows(MemorySource([{"time": AT, "count": value}]), LongOptions())
    assert row["metric_value"] == value


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**62 + 1])
def test_integers_that_no_double_is_equal_to_stop_the_load(value: int) -> None:
    source = MemorySource([{"time": AT, "count": 1}, {"time": AT, "count": value}])
    with pytest.raises(DataRefused, match=f"'count' holds {value}, an integer that is not exact") as caught:
        long_rows(source, LongOptions())
    assert "layout: {long: {integers: true}}" in str(caught.value.remedy)
    assert [row["value_integer"] for row in long_rows(source, LongOptions(integers=True))] == [1, value]


@pytest.mark.parametrize(("value", "fits"), [(2**63 - 1, True), (2**63, False), (2**64 - 1, False)])
def test_unsigned_integers(value: int, fits: bool) -> None:
    source = MemorySource([{"time": AT, "unsigned": value}], schema_=WIDE)
    if fits:
        assert long_rows(source, LongOptions(integers=True))[0]["value_integer"] == value
        return
    with pytest.raises(DataRefused, match="an unsigned integer that exceeds a long"):
        long_rows(source, LongOptions(integers=True))
    if value == 2**63:
        assert long_rows(source, LongOptions())[0]["metric_value"] == 2.0**63
    else:
        with pytest.raises(DataRefused, match="that is not exact as a double"):
            long_rows(source, LongOptions())


def test_what_comes_before_is_done_before() -> None:
    """The layout is the last step: columns are chosen, renamed, mapped and computed before; others stand beside."""
    source = MemorySource([{"time": AT, "host": "a", "busy": 25.0, "count": 3, "on": True}])
    found = long_rows(
        source,
        LongOptions(),
        fields={"include": ["busy"]},
        rename={"busy": "busy_percent"},
        prefix={"tags": "tag_"},
        computed={"idle_percent": "100 - busy_percent"},
        constants={"version": "1.0"},
        metadata_columns=["measurement", "database"],
    )
    shown = [(row["tags"], row["metric_name"], row["metric_value"], row["version"], row["database"]) for row in found]
    assert shown == [
        ({"tag_host": "a"}, "busy_percent", 25.0, "1.0", "telemetry"),
        ({"tag_host": "a"}, "idle_percent", 75.0, "1.0", "telemetry"),
    ]


def test_texts_that_are_left_out_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    shaped = transformed(MemorySource(), replace(measurement(), table="told", layout=LongOptions()))
    for _ in range(2):
        shaped.schema("cpu")
    [told] = caplog.messages
    assert told.startswith("cpu: string fields are left out of telemetry.told: text. To load them")


def test_a_measurement_of_texts_alone_is_refused() -> None:
    columns = tuple(column for column in SCHEMA.columns if column.name in ("time", "host", "text"))
    source = MemorySource([], schema_=MeasurementSchema("cpu", columns))
    with pytest.raises(ConfigurationError, match=r"its fields are strings \(text\)"):
        transformed(source, replace(measurement(), layout=LongOptions())).schema("cpu")


def test_a_column_that_the_layout_has_too_is_refused() -> None:
    of = replace(measurement(constants={"metric_name": "x"}), layout=LongOptions())
    with pytest.raises(ConfigurationError, match="'metric_name' is a column of the long layout"):
        transformed(MemorySource(), of).schema("cpu")
