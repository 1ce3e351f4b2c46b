"""Bodies to Arrow: the bulk patterns and the grammar agree, and bad lines are reported as the server does."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.sandbox.storage import ingest
from influx_lake.sandbox.storage.columns import TIME, Kind
from influx_lake.sandbox.storage.ingest import Limits, Parsed, RejectedLine, parse_body
from influx_lake.sandbox.storage.line_protocol import parse_line
from influx_lake.sandbox.storage.precision import Precision

NOW = 1_700_000_000_000_000_000


def parse(body: str, known: dict[str, dict[str, Kind]] | None = None, **options: Any) -> Parsed:
    precision = options.pop("precision", Precision.NANOSECOND)
    return parse_body(body, known or {}, precision, NOW, **options)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    position = table.schema.get_field_index(TIME)
    return list(table.set_column(position, TIME, table.column(TIME).cast(pa.int64())).to_pylist())


def test_rows_of_several_measurements_and_shapes_keep_their_order() -> None:
    body = "\n".join(
        [
            "cpu,host=a v=1 1",
            "mem,host=a used=5i 1",
            "cpu,host=b v=2 2",
            'cpu,host=a v=3,s="x" 1',
            "cpu v=4 4",
            "cpu,host=a v=5 1",
        ]
    )
    parsed = parse(body)
    assert parsed.rejected == []
    assert parsed.lines == 6
    assert rows(parsed.tables["cpu"]) == [
        {"host": "a", "s": None, "time": 1, "v": 1.0},
        {"host": "b", "s": None, "time": 2, "v": 2.0},
        {"host": "a", "s": "x", "time": 1, "v": 3.0},
        {"host": None, "s": None, "time": 4, "v": 4.0},
        {"host": "a", "s": None, "time": 1, "v": 5.0},
    ]
    assert rows(parsed.tables["mem"]) == [{"host": "a", "time": 1, "used": 5}]


def test_the_schema_says_what_each_column_is() -> None:
    schema = parse('m,t=a f=1,i=1i,u=1u,b=t,s="x" 1').tables["m"].schema
    assert schema.names == ["b", "f", "i", "s", "t", "time", "u"]
    assert [str(field.type) for field in schema] == [
        "bool",
        "double",
        "int64",
        "string",
        "dictionary<values=string, indices=int32, ordered=0>",
        "timestamp[ns]",
        "uint64",
    ]
    assert schema.field("t").metadata == {b"iox::column::type": b"iox::column_type::tag"}
    assert schema.field("u").metadata == {b"iox::column::type": b"iox::column_type::field::uinteger"}
    assert not schema.field("time").nullable
    assert schema.metadata == {b"iox::measurement::name": b"m"}


def test_extreme_values_arrive_exactly() -> None:
    body = "\n".join(
        f"m i={i}i,u={u}u,f={f} {t}"
        for i, u, f, t in [
            (-(2**63), 0, "1e308", -(2**63)),
            (2**63 - 1, 2**64 - 1, "-0.1", 2**63 - 1),
            (7, 7, "0.30000000000000004", 1),
        ]
    )
    found = rows(parse(body).tables["m"])
    assert [row["i"] for row in found] == [-(2**63), 2**63 - 1, 7]
    assert [row["u"] for row in found] == [0, 2**64 - 1, 7]
    assert [row["f"] for row in found] == [1e308, -0.1, 0.30000000000000004]
    assert [row["time"] for row in found] == [-(2**63), 2**63 - 1, 1]


def test_numbers_with_leading_zeros() -> None:
    found = rows(parse("m i=007i,f=00.5,u=000u 0005\nm i=-0i,f=-0,u=01u 6").tables["m"])
    assert [(row["i"], row["f"], row["u"], row["time"]) for row in found] == [(7, 0.5, 0, 5), (0, -0.0, 1, 6)]


@pytest.mark.parametrize(
    ("precision", "stamp", "expected"),
    [
        (Precision.SECOND, 1_700_000_000, 1_700_000_000_000_000_000),
        (Precision.MILLISECOND, -5, -5_000_000),
        (Precision.MICROSECOND, 7, 7_000),
        (Precision.AUTO, 1_700_000_000_123, 1_700_000_000_123_000_000),
        (Precision.AUTO, -(2**63), -(2**63)),
    ],
)
def test_precisions(precision: Precision, stamp: int, expected: int) -> None:
    assert rows(parse(f"m v=1 {stamp}\nm v=2 {stamp}", precision=precision).tables["m"])[1]["time"] == expected


def test_a_point_without_a_time_gets_the_present() -> None:
    assert [row["time"] for row in rows(parse("m v=1\nm v=2 5\nm v=3").tables["m"])] == [NOW, 5, NOW]


def test_a_time_that_does_not_fit_is_that_lines_error() -> None:
    parsed = parse("m v=1 1\nm v=2 9223372036855\nm v=3 3", precision=Precision.SECOND)
    assert [row["v"] for row in rows(parsed.tables["m"])] == [1.0, 3.0]
    assert parsed.rejected == [
        RejectedLine("timestamp, 9223372036855, out of range for precision: Second", 2, "m v=2 9223372036855")
    ]


def test_bad_lines_are_numbered_and_cut_to_20_bytes() -> None:
    parsed = parse("cpu,host=a val=1 123\n\n# comment\ncpu,host=aaaaaaaaaaaaaaaaaaa val= 123\ncpu,host=é,t=éééééé val=")
    assert parsed.rejected == [
        RejectedLine("No fields were provided", 4, "cpu,host=aaaaaaaaaaa"),
        RejectedLine("No fields were provided", 5, "cpu,host=é,t=ééé"),
    ]
    assert parsed.lines == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "m v=1i 1",
            "invalid column type for column 'v', expected iox::column_type::field::float, "
            "got iox::column_type::field::integer",
        ),
        (
            "m,v=x w=1 1",
            "invalid column type for column 'v', expected iox::column_type::field::float, got iox::column_type::tag",
        ),
        (
            'm t="x" 1',
            "invalid column type for column 't', expected iox::column_type::tag, got iox::column_type::field::string",
        ),
        ("m w=1,w=2 1", "invalid line protocol - multiple instances of 'w' field found"),
        ("m,t=1,t=2 v=1 1", "invalid line protocol - multiple instances of 't' tag found"),
        (
            "m time=1 1",
            "invalid column type for column 'time', expected iox::column_type::timestamp, "
            "got iox::column_type::field::float",
        ),
        ("new time=1 1", "'time' is a reserved column"),
        ("new,time=1 v=1 1", "'time' is a reserved column"),
    ],
)
def test_lines_that_do_not_fit_the_schema(line: str, message: str) -> None:
    known = {"m": {TIME: Kind.TIME, "t": Kind.TAG, "v": Kind.FLOAT}}
    parsed = parse(line, known)
    assert [one.error_message for one in parsed.rejected] == [message]
    assert parsed.tables == {}


def test_a_rejected_line_adds_no_column() -> None:
    parsed = parse("m v=1 1\nm,t=x v=2i 2\nm v=3 3")
    assert parsed.tables["m"].column_names == ["time", "v"]


def test_the_first_type_in_a_body_decides() -> None:
    parsed = parse("m v=1i 1\nm v=2 2\nm v=3i 3")
    assert [row["v"] for row in rows(parsed.tables["m"])] == [1, 3]
    assert [one.line_number for one in parsed.rejected] == [2]


def test_strict_bodies_end_at_the_first_error() -> None:
    parsed = parse("m v=1 1\nm v= 2\nm w= 3", stop_at_error=True)
    assert parsed.tables == {}
    assert [one.line_number for one in parsed.rejected] == [2]


def test_limits_on_tables_and_columns() -> None:
    parsed = parse("a v=1 1\nb v=1 1\nc v=1 1\na w=1,x=1 2", limits=Limits(columns=3, tables=2))
    assert [one.error_message for one in parsed.rejected] == [
        "Update to schema would exceed number of tables limit: attempted to create table but already have 2 table(s) "
        "(limit: 2)",
        "Update to schema would exceed number of columns per table limit of 3 columns",
    ]
    assert sorted(parsed.tables) == ["a", "b"]


def test_an_empty_body_has_no_lines() -> None:
    assert parse("\n \n# nothing\n").lines == 0


def test_known_columns_that_a_body_lacks_are_null() -> None:
    known = {"m": {TIME: Kind.TIME, "gone": Kind.STRING, "t": Kind.TAG, "v": Kind.FLOAT}}
    assert rows(parse("m v=1 1", known).tables["m"]) == [{"gone": None, "t": None, "time": 1, "v": 1.0}]


_series = ["m", "m2", ",t=a", ",t=b", ",u=x\\ y"]
_fields = [' s="a b"', ' s="q\\"\n2"', " v=1", " v=-2.5", " v=3i", ",w=7i", ",x=t", ",k\\ 1=5u"]
_marks = [" 1", " 2000000000", "\n", "\n", "\n", " ", '"', "\\", ",", "=", "#", "\t", "é"]
_pieces = st.sampled_from([*_series, *_fields, *_marks])


@given(st.lists(_pieces, max_size=60).map("".join), st.sampled_from(Precision))
def test_bulk_patterns_and_grammar_agree_on_anything(body: str, precision: Precision) -> None:
    bulk = parse(body, precision=precision)
    with mock.patch.object(ingest._Draft, "match", return_value=None):
        plain = parse(body, precision=precision)
    assert bulk.rejected == plain.rejected
    assert bulk.lines == plain.lines
    assert {name: rows(table) for name, table in bulk.tables.items()} == {
        name: rows(table) for name, table in plain.tables.items()
    }
    assert {name: table.schema for name, table in bulk.tables.items()} == {
        name: table.schema for name, table in plain.tables.items()
    }


def test_bulk_patterns_take_the_lines_that_repeat() -> None:
    body = "\n".join(f'cpu,host=h{n % 3} v={n}.5,i={n}i,ok=t,s="x y" {n}' for n in range(100))
    with mock.patch.object(ingest, "parse_line", wraps=parse_line) as grammar:
        assert parse(body).tables["cpu"].num_rows == 100
    assert grammar.call_count == 3
