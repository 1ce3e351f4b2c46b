"""Rows on their way from a source to a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config import ColumnNames, TypeOptions
from influx_lake.config.transforms.options import TransformOptions
from influx_lake.config.values.conditions import Compared, Operator
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.errors import ConfigurationError, DataRefused, SchemaConflict
from influx_lake.sources.profile import profiles_of, read_profiles
from influx_lake.transforms import TransformedSource, transformed
from influx_lake.transforms.plan import resolve
from influx_lake_tests.unit.transforms.memory_source import (
    COLUMNS,
    DAY,
    SCHEMA,
    MemorySource,
    Row,
    at,
    measurement,
    points,
    transformed_rows,
)

FOUR = points(
    (1, "a", "eu", 1.5, 1, True, "x"),
    (2, "b", None, None, 2, None, "y"),
    (2, "c", "us", -0.0, None, False, None),
    (3, "a", "eu", 99.5, 3, True, "x"),
)


def names(of: MeasurementSchema) -> list[str]:
    return [column.name for column in of.columns]


def test_a_source_stays_as_it_is_where_nothing_is_done() -> None:
    assert transformed(FOUR, measurement()) is FOUR


def test_one_that_was_transformed_is_not_transformed_again() -> None:
    of = measurement(rename={"busy": "used"})
    shaped = transformed(FOUR, of)
    assert transformed(shaped, of) is shaped
    assert transformed(shaped, measurement()) is FOUR


def test_what_is_left_out_is_not_requested() -> None:
    source = MemorySource(FOUR.rows)
    of = measurement(fields={"include": ["bu*", "/^co/"], "exclude": ["count"]}, tags={"include": ["host", "region"]})
    rows = transformed_rows(source, of)
    assert names(source.asked[0]) == ["time", "host", "region", "busy"]
    # The second point has none of the fields that are left.
    assert [row["busy"] for row in rows] == [1.5, -0.0, 99.5]
    assert TransformedSource(source, of).count("cpu", DAY) == 3


def test_names_of_the_table() -> None:
    of = measurement(
        rename={"busy": "Used %", "time": "timestamp", "host": "host"}, prefix={"tags": "tag_", "fields": "f_"}
    )
    of = replace(of, types=TypeOptions(column_names=ColumnNames.SNAKE))
    schema = TransformedSource(FOUR, of).schema("cpu")
    assert names(schema) == ["timestamp", "host", "tag_region", "Used %", "f_count", "f_on", "f_text"]
    assert schema.time == "timestamp"
    assert {column.name: column.sources for column in schema.columns}["Used %"] == ("busy",)


def test_values_for_values() -> None:
    of = measurement(
        map={
            "host": {"a": "alpha", "*": "other"},
            "on": {"true": "false"},
            "count": {"1": "10", "2": None},
            "text": {"x": "1"},
        }
    )
    rows = transformed_rows(FOUR, of)
    assert [row["host"] for row in rows] == ["alpha", "other", "other", "alpha"]
    assert [row["on"] for row in rows] == [False, None, False, False]
    assert [row["count"] for row in rows] == [10, None, None, 3]
    assert [row["text"] for row in rows] == ["1", "y", None, "1"]


def test_a_map_to_other_texts_makes_a_text_and_a_type_makes_what_it_says_of_it() -> None:
    of = measurement(map={"count": {"1": "one"}, "text": {"x": "1", "*": "0"}})
    of = replace(of, types=TypeOptions(types={"text": "int"}))
    rows = transformed_rows(FOUR, of)
    assert [row["count"] for row in rows] == ["one", "2", None, "3"]
    assert [row["text"] for row in rows] == [1, 0, None, 1]


@pytest.mark.parametrize(
    ("map_", "made"),
    [({"on": {"true": "1", "false": "0"}}, ["1", None, "0", "1"]), ({"count": {"1": "01"}}, ["01", "2", None, "3"])],
)
def test_what_is_written_otherwise_than_the_column_has_it_is_a_text(map_: dict[str, Any], made: list[str]) -> None:
    [name] = map_
    assert [row[name] for row in transformed_rows(FOUR, measurement(map=map_))] == made


def test_times_that_no_reader_has_do_not_become_values() -> None:
    """Milliseconds that are said to be seconds are of the year 57970."""
    source = points((1, "a", None, 1.5, 1767225600000, None, "1767225600000"), (2, "a", None, 1.5, 1, None, "1"))
    asked = TypeOptions(types={"text": "timestamptz"})
    form = {"formats": {"text": "unix"}}
    with pytest.raises(DataRefused, match=r"'text' has the value '1767225600000'.* years 1 to 9999"):
        transformed_rows(source, replace(measurement(**form), types=asked))
    rows = transformed_rows(source, replace(measurement(**form, on_cast_error="null"), types=asked))
    assert [row["text"] for row in rows] == [None, 10**9]
    with pytest.raises(DataRefused, match="'at' holds a time that is not of the years 1 to 9999"):
        transformed_rows(source, measurement(computed={"at": "to_timestamp(count)"}))


def test_computed_columns_see_the_row_as_the_table_has_it() -> None:
    of = measurement(
        rename={"busy": "used", "time": "timestamp"},
        map={"host": {"a": "alpha"}},
        constants={"version": "2"},
        computed={
            "free": "round(100 - USED, 2)",
            "low": "free < 50",
            "label": "host || version",
            "second": "second(timestamp)",
        },
    )
    of = replace(of, types=TypeOptions(types={"free": "decimal(6, 2)"}))
    shaped = TransformedSource(FOUR, of)
    assert {
        column.name: column.sources for column in shaped.schema("cpu").columns if column.name in of.transforms.computed
    } == {
        "free": ("busy",),
        "low": ("busy",),
        "label": ("host",),
        "second": ("time",),
    }
    rows = transformed_rows(FOUR, of)
    assert [None if row["free"] is None else str(row["free"]) for row in rows] == ["98.50", None, "100.00", "0.50"]
    assert [row["low"] for row in rows] == [False, None, False, True]
    assert [row["label"] for row in rows] == ["alpha2", "b2", "c2", "alpha2"]
    assert [row["second"] for row in rows] == [1, 2, 2, 3]


def test_columns_that_tell_where_rows_come_from() -> None:
    of = measurement(
        metadata_columns=["measurement", "database", "source", "window_start", "loaded_at", "run_id"],
        rename={"loaded_at": "ingested_at"},
    )
    rows = transformed_rows(FOUR, of)
    assert {(row["measurement"], row["database"], row["source"], row["window_start"]) for row in rows} == {
        ("cpu", "telemetry", "default", at(0))
    }
    assert len({row["ingested_at"] for row in rows}) == 1
    compared = [column.name for column in TransformedSource(FOUR, of).schema("cpu").columns if column.is_compared]
    assert compared == [*names(SCHEMA), "measurement", "database", "source", "window_start"]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("busy > 1", [0, 3]),
        ("not (busy > 1)", [2]),
        ("region is null or host = 'a'", [0, 1, 3]),
        ("text in ('x', 'z') and \"on\"", [0, 3]),
        ("length(text) = 1 and count between 2 and 3", [1, 3]),
        ("free < 50", [3]),
    ],
)
def test_rows_for_which_a_condition_is_true(where: str, kept: list[int]) -> None:
    of = measurement(where=where, computed={"free": "100 - busy"})
    assert [row["time"] for row in transformed_rows(FOUR, of)] == [FOUR.rows[place]["time"] for place in kept]
    assert TransformedSource(FOUR, of).count("cpu", DAY) == len(kept)


def test_a_filter_means_the_very_column_that_it_names_also_where_the_source_is_asked() -> None:
    """Names that differ in case only are different columns, of which the source may have one and the table both."""
    of = measurement(map={"host": {"a": "x"}}, computed={"Region": "region || '!'"}, where="\"Region\" = 'eu!'")
    assert resolve(SCHEMA, of).condition is None
    assert (
        resolve(SCHEMA, replace(of, transforms=of.transforms.model_copy(update={"where": "host = 'x'"}))).condition
        is None
    )
    plain = of.transforms.model_copy(update={"where": "region = 'eu'"})
    assert resolve(SCHEMA, replace(of, transforms=plain)).condition == Compared("region", Operator.EQUAL, "eu")


def test_types_mean_the_column_of_the_table_where_one_of_the_source_was_called_so() -> None:
    renamed = measurement(rename={"busy": "busy_exact"}, computed={"busy": "round(busy_exact)"}, on_cast_error="null")
    of = replace(renamed, types=TypeOptions(types={"busy": "long"}))
    rows = transformed_rows(points((1, "a", None, 1.75, 1, None, None)), of)
    assert [(row["busy_exact"], row["busy"]) for row in rows] == [(1.75, 2)]
    types = {column.name: column.iceberg_type for column in resolve(SCHEMA, of).schema.columns}
    assert (types["busy_exact"], types["busy"]) == (None, "long")


def test_values_that_cannot_be_cast() -> None:
    source = points(
        (1, "a", None, 1.5, 1, None, "12"), (2, "a", None, 2.0, 2, None, "x"), (3, "a", None, 3.0, 3, None, None)
    )
    asked = TypeOptions(types={"text": "long", "busy": "int"})
    failing = replace(measurement(), types=asked)
    with pytest.raises(DataRefused, match=r"column 'busy' has the value '1.5', which cannot become int exactly"):
        transformed_rows(source, failing)
    rows = transformed_rows(source, replace(measurement(on_cast_error="null"), types=asked))
    assert [(row["text"], row["busy"]) for row in rows] == [(12, None), (None, 2), (None, 3)]
    rows = transformed_rows(source, replace(measurement(on_cast_error="quarantine", where="busy > 2"), types=asked))
    # Where the condition looks at a value that could not be cast, it cannot tell; it can of the second row.
    assert [(row["text as it came"], row["busy as it came"]) for row in rows] == [(None, "1.5"), (None, None)]
    for where, kept in (("count > 1", ["x"]), ("twice > 2", ["x"]), ("text > 12", ["x"]), ("count > 2", [])):
        of = measurement(on_cast_error="quarantine", where=where, computed={"twice": "count * 2"})
        rows = transformed_rows(source, replace(of, types=TypeOptions(types={"text": "long"})))
        assert [row["text as it came"] for row in rows if row["text as it came"]] == kept


def test_points_that_a_tag_distinguished() -> None:
    with pytest.raises(ConfigurationError, match="leaves out host, region"):
        transformed_rows(FOUR, measurement(tags={"include": []}))
    both = measurement(tags={"include": []}, duplicates="keep")
    assert [row["time"] for row in transformed_rows(FOUR, both)] == [row["time"] for row in FOUR.rows]
    last = measurement(tags={"include": []}, duplicates="last")
    assert [(row["time"], row["busy"]) for row in transformed_rows(FOUR, last)] == [
        (at(1), 1.5),
        (at(2), -0.0),
        (at(3), 99.5),
    ]
    assert TransformedSource(FOUR, last).count("cpu", DAY) == 3


def test_a_field_of_two_types_keeps_them_apart_under_its_new_name() -> None:
    second = Column("busy__string", Role.FIELD, ColumnType.STRING, variant_of="busy")
    source = MemorySource(FOUR.rows, MeasurementSchema("cpu", (*COLUMNS, second)))
    schema = TransformedSource(source, measurement(rename={"busy": "used"}, fields={"include": ["busy"]})).schema("cpu")
    assert [(column.name, column.variant_of) for column in schema.columns[3:]] == [
        ("used", None),
        ("busy__string", "used"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": {"exclude": ["*"]}}, "leaves no field: the source has busy, count, on, text"),
        ({"rename": {"busy": "count"}}, "'busy' and 'count' of the source would both be 'count'"),
        ({"constants": {"host": "x"}}, "would both be 'host'"),
        ({"computed": {"a": "bsy + 1"}}, r"names bsy, and no column has this name \(did you mean busy\?\)"),
        ({"computed": {"a": "[busy]"}}, r"is DOUBLE\[\], which no column of a table can hold"),
        ({"computed": {"a": "busy + text"}}, "cannot be computed over"),
        ({"where": "busy"}, "is double, and not true or false"),
        ({"map": {"busy": {"1": "2"}}}, "`map` names busy, which is double"),
        (
            {"prefix": {"tags": "t_"}, "map": {"host": {"a": "b"}}},
            "`map` names host, which is called t_host in telemetry",
        ),
        ({"map": {"c": {"1": "2"}}, "computed": {"c": "busy"}}, "`map` names c, which is not a tag or a field"),
    ],
)
def test_what_the_columns_of_the_source_do_not_allow(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigurationError, SchemaConflict), match=message):
        TransformedSource(FOUR, measurement(**options)).schema("cpu")


def test_an_expression_that_fails_names_itself_and_the_row() -> None:
    source = points(*((number, "a", None, float(number), number, None, str(number)) for number in range(50)))
    source.rows[37]["text"] = "seven"
    of = measurement(computed={"twice": "2 * busy", "number": "text::int + count"})
    with pytest.raises(
        DataRefused, match=r"number: 'text::int \+ count' fails for a row with text = 'seven', count = 37"
    ):
        transformed_rows(source, of)


TEXTS = st.one_of(st.none(), st.sampled_from(["x", "y", "ünï", "1", " ", "it's"]))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "time": st.integers(0, 20).map(at),
            "host": st.one_of(st.none(), st.sampled_from(["a", "b", "c d"])),
            "region": TEXTS,
            "busy": st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.5, 99.99, 1e300])),
            "count": st.one_of(st.none(), st.integers(-3, 3)),
            "on": st.one_of(st.none(), st.booleans()),
            "text": TEXTS,
        }
    ).filter(lambda row: any(row[name] is not None for name in SCHEMA.fields)),
    max_size=12,
)
CHOICES = st.sampled_from(
    [{}, {"include": ["busy", "text"]}, {"exclude": ["on"]}, {"include": ["/o/"], "exclude": ["count"]}]
)
MAPS = st.sampled_from([{}, {"x": "z"}, {"x": None, "*": "w"}, {"1": "2", "y": "1"}])
FILTERS = st.sampled_from([None, "{text} = 'x'", "{text} is not null", "{host} <> 'a'"])


@st.composite
def transforms(draw: st.DrawFn) -> dict[str, Any]:
    """Options in any combination."""
    found: dict[str, Any] = {"fields": draw(CHOICES)}
    if draw(st.booleans()):
        found["rename"] = draw(
            st.sampled_from([{"text": "note"}, {"host": "Host Name", "time": "ts"}, {"region": "text2"}])
        )
    if draw(st.booleans()):
        found["prefix"] = draw(st.sampled_from([{"tags": "t_"}, {"fields": "f."}]))
    if draw(st.booleans()):
        found["constants"] = {"version": "1.0"}
    found["where"] = draw(FILTERS)
    found["map"] = draw(MAPS)
    found["computed"] = draw(st.booleans())
    return found


def modelled(rows: list[Row], options: TransformOptions) -> list[Row]:
    """What a table gets, in plain Python."""
    fields = options.fields.chosen(SCHEMA.fields)
    found = []
    for row in rows:
        if len(fields) < len(SCHEMA.fields) and all(row[name] is None for name in fields):
            continue
        made: Row = {}
        for name in ("time", *SCHEMA.tags, *fields):
            prefix = "" if name == "time" else options.prefix.tags if name in SCHEMA.tags else options.prefix.fields
            new = options.rename.get(name, prefix + name)
            value, mapped = row[name], options.map.get(new, {})
            if value is not None and mapped:
                value = mapped[value] if value in mapped else mapped.get("*", value)
            made[new] = value
        made |= options.constants
        for name, text in options.computed.items():
            column = text.removeprefix('upper("').removesuffix('")')
            made[name] = None if made[column] is None else made[column].upper()
        if options.where is None or _is_true(options.where, made):
            found.append(made)
    return found


def _is_true(where: str, row: Row) -> bool:
    quoted, _, rest = where[1:].partition('"')
    value = row[quoted]
    if rest == " is not null":
        return value is not None
    return value is not None and (value == "x" if rest == " = 'x'" else value != "a")


def within_the_model(drawn: dict[str, Any]) -> dict[str, Any]:
    """Drawn options whose maps, expressions and conditions name columns as the table does."""
    drawn = dict(drawn)
    options = TransformOptions.model_validate({**drawn, "map": {}, "computed": {}, "where": None})
    new = {
        name: options.rename.get(name, (options.prefix.tags if name == "host" else options.prefix.fields) + name)
        for name in ("host", "text")
    }
    has_text = "text" in options.fields.chosen(SCHEMA.fields)
    drawn["map"] = {new["text"] if has_text else new["host"]: drawn["map"]} if drawn["map"] else {}
    drawn["computed"] = {"shout": f'upper("{new["host"]}")'} if drawn["computed"] else {}
    if drawn["where"] and (has_text or "{host}" in drawn["where"]):
        drawn["where"] = drawn["where"].format(**{name: f'"{text}"' for name, text in new.items()})
    else:
        drawn["where"] = None
    return drawn


@settings(max_examples=60, deadline=None)
@given(ROWS, transforms())
def test_the_rows_are_those_of_a_plain_model(rows: list[Row], drawn: dict[str, Any]) -> None:
    drawn = within_the_model(drawn)
    of = measurement(**drawn)
    source = MemorySource(rows)
    assert transformed_rows(source, of) == modelled(rows, of.transforms)
    assert TransformedSource(source, of).count("cpu", DAY) == len(modelled(rows, of.transforms))


@pytest.mark.parametrize(
    "options",
    [
        {"rename": {"busy": "used", "time": "ts"}},
        {"constants": {"version": "1.0"}, "metadata_columns": ["measurement", "source"], "fields": {"exclude": ["on"]}},
        {"map": {"host": {"a": "b"}}},
        {"where": "busy > 1", "computed": {"free": "100 - busy"}, "metadata_columns": ["window_start"]},
    ],
)
def test_profiles_are_those_of_the_rows(options: dict[str, Any]) -> None:
    shaped = TransformedSource(FOUR, measurement(**options))
    schema = shaped.schema("cpu")
    assert profiles_of(shaped, schema, [DAY], {}) == read_profiles(shaped, schema, [DAY], {})
