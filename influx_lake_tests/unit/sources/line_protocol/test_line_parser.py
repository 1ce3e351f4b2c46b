from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.errors import FileUnreadable
from influx_lake.sources.files import FileLimits
from influx_lake.sources.line_protocol import parser as parsing
from influx_lake.sources.line_protocol.blocks import Layout
from influx_lake.sources.line_protocol.file_parts import FileParts
from influx_lake.sources.line_protocol.parser import LineParser
from influx_lake.sources.points.registry import Registry

Found = list[tuple[Any, ...]]


def read(
    text: bytes, *, unit: int = 1, size: int = 1 << 20, ends_whole: bool = True, max_document: int = 10**8
) -> tuple[Found, list[tuple[int, str]]]:
    """Every value with what it belongs to, and the bad lines."""
    registry, values, bad = Registry(), [], []
    chunks = (text[begin : begin + size] for begin in range(0, len(text), size))
    file = FileParts(LineParser(registry, unit), "a.lp", FileLimits(max_document, 1000), ends_whole)
    for parsed in file.parsed(chunks):
        measurements, series, fields = map(list, (registry.measurements, registry.series, registry.fields))
        for row in parsed.cells.to_pylist():
            owner, tags = series[row["series"]]
            field = fields[row["field"]]
            assert field.measurement == owner
            key = measurements[owner]
            place = (key.context.database, key.context.retention_policy, key.name, tags, field.name, field.type.value)
            values.append((*place, row["time"], value(field.type, row)))
        bad += [(each.line, each.reason) for each in parsed.bad]
    return values, bad


def value(kind: ColumnType, row: dict[str, Any]) -> object:
    bits = np.array([row["bits"]], np.int64)
    match kind:
        case ColumnType.STRING:
            return row["text"]
        case ColumnType.FLOAT:
            return repr(float(bits.view(np.float64)[0]))
        case ColumnType.UINTEGER:
            return int(bits.view(np.uint64)[0])
        case ColumnType.BOOLEAN:
            return bool(row["bits"])
    return row["bits"]


def short(text: bytes) -> Found:
    """As `read`, without what all have in common; nothing is bad."""
    values, bad = read(text)
    assert not bad
    return [each[2:] for each in values]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"m f=1 5", [("m", (), "f", "float", 5, "1.0")]),
        (b"m f=-1.5e3 -5", [("m", (), "f", "float", -5, "-1500.0")]),
        (b"m f=.5,g=1. 5", [("m", (), "f", "float", 5, "0.5"), ("m", (), "g", "float", 5, "1.0")]),
        (b"m f=-9223372036854775808i 5", [("m", (), "f", "integer", 5, -(2**63))]),
        (b"m f=18446744073709551615u 5", [("m", (), "f", "uinteger", 5, 2**64 - 1)]),
        (b"m a=t,b=F,c=True,d=FALSE 5", [("m", (), each, "boolean", 5, each in "ac") for each in "abcd"]),
        (b'm f="a b,c=d\\\\e\\"" 5', [("m", (), "f", "string", 5, 'a b,c=d\\e"')]),
        (b'm f="" 5', [("m", (), "f", "string", 5, "")]),
        (b'm f="\xc3\xa4\n# no comment\n" 5', [("m", (), "f", "string", 5, "ä\n# no comment\n")]),
        (b"m,b=2,a=1 f=1 5\r", [("m", (("a", "1"), ("b", "2")), "f", "float", 5, "1.0")]),
        (rb"my\ m\,x,a\ b=c\=d\,e,p=C:\dir f\ \,\=g=1 5", [
            ("my m,x", (("a b", "c=d,e"), ("p", r"C:\dir")), "f ,=g", "float", 5, "1.0")
        ]),
        (b'm,t=a"b f=1 5', [("m", (("t", 'a"b'),), "f", "float", 5, "1.0")]),
        (b"  m   f=1    5  ", [("m", (), "f", "float", 5, "1.0")]),
        (b"# m f=1 5", []),
        (b'# "no=" point, f="1 5', []),
        (b"\xef\xbb\xbfm f=1 5", [("m", (), "f", "float", 5, "1.0")]),
        (b'\xef\xbb\xbfm f="x,y" 5', [("m", (), "f", "string", 5, "x,y")]),
        (b"\xef\xbc\xadm f=1 5", [("\uff2dm", (), "f", "float", 5, "1.0")]),
        (b"", []),
    ],
)  # fmt: skip
def test_a_line_means_what_influxdb_makes_of_it(line: bytes, expected: Found) -> None:
    assert short(line + b"\n") == expected
    assert short(b"x f=1 1\n" + line)[1:] == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"m", "has no fields"),
        (b"m 5", "has no field where"),
        (b"m f=1", "has no timestamp"),
        (b"m f=1 x", "has a timestamp that is not a number"),
        (b"m f=1 9223372036854775808", "has a number that is too large for a timestamp"),
        (b"m f=1 9223372036854775807", "has a timestamp out of range"),
        (b"m f=1 -9223372036854775807", "has a timestamp out of range"),
        (b"m f=1 " + b"9" * 5000, "has a number that is too large for a timestamp"),
        (b"m f=" + b"9" * 5000 + b"i 5", "has a number that is too large for an integer"),
        (b"#m,a=b f=1 5", "is a point of a measurement whose name begins with #"),
        (b'#m f="x\ny" 5', "is a point of a measurement whose name begins with #"),
        (b"#\\ m f=1 5", "is a point of a measurement whose name begins with #"),
        (b"\x00\x00\x00", "begins with NUL bytes"),
        (b"m f=nan 5", "has an invalid value: 'nan'"),
        (b"m f=+1 5", "has an invalid value: '+1'"),
        (b"m f=0x10i 5", "has an invalid value"),
        (b"m f=1e400 5", "has a number that is too large for a float"),
        (b"m f=9223372036854775808i 5", "has a number that is too large for an integer"),
        (b"m f=-1u 5", "has an invalid value"),
        (b"m f=tRUE 5", "has an invalid value"),
        (b'm f="x 5', "has a string that is not closed"),
        (b'm f="x"y 5', "continues after a value"),
        (b"m f= 5", "has a field without a value"),
        (b"m f=1, 5", "has no field where"),
        (b"m,a f=1 5", "has a tag without a name or a value: 'a'"),
        (b"m,a= f=1 5", "has a tag without a name or a value"),
        (b"m,a=1,a=2 f=1 5", "has the tag 'a' twice"),
        (b",a=1 f=1 5", "has no measurement"),
        (b"m,time=1 f=1 5", "has a tag called 'time'"),
        (b"m time=1 5", "has a field called 'time'"),
        (b"m,a=\xff f=1 5", "is not UTF-8"),
        (b'm f="\xff" 5', "is not UTF-8"),
    ],
)
def test_a_bad_line_is_reported_with_its_number_and_its_reason(line: bytes, reason: str) -> None:
    values, bad = read(b"a f=1 1\n\n" + line + b"\n")
    assert [each[2] for each in values] == ["a"], "the other lines count"
    assert [number for number, _ in bad] == [3]
    assert bad[0][1].startswith(reason)


def test_timestamps_of_other_units_are_scaled_and_held_to_their_range() -> None:
    values, bad = read(b"m f=1 -5\nm f=1 9223372037\n", unit=1_000_000_000)
    assert [each[6] for each in values] == [-5_000_000_000]
    assert bad == [(2, "has a timestamp out of range: 9223372037")]


def test_the_headers_of_an_export_say_whose_points_follow() -> None:
    text = b"""# INFLUXDB EXPORT: 1677-09-21T00:12:43Z - 2262-04-11T23:47:16Z
# DDL
CREATE DATABASE "a=b" WITH NAME autogen
# DML
# CONTEXT-DATABASE:one
# CONTEXT-RETENTION-POLICY:autogen
# writing tsm data
m f=1 1
# CONTEXT-DATABASE:two
# CONTEXT-RETENTION-POLICY:short
m f="
# CONTEXT-DATABASE:no" 2
m g=1 3
"""
    values, bad = read(text)
    assert [(each[0], each[1], each[6]) for each in values] == [
        ("one", "autogen", 1), ("two", "short", 2), ("two", "short", 3),
    ]  # fmt: skip
    assert not bad


def test_what_stands_among_statements_is_not_overlooked() -> None:
    statements = b'# DDL\nCREATE DATABASE a WITH NAME "b=c"\ndrop database x\n'
    text = statements + b'm f=1 1\nm\\ f f="x" 2\nnonsense\n# DML\nm f=3 3\n'
    values, bad = read(text)
    assert [each[6] for each in values] == [1, 2, 3]
    assert bad == [(6, "has no fields")]


_NOW = 1748736000000000000


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("before", [b"", b"x f=1 %d\n" % _NOW])
def test_a_file_that_is_cut_anywhere_gives_no_point_that_was_not_there(before: bytes, unit: int) -> None:
    before = before.replace(b"%d" % _NOW, b"%d" % (_NOW // unit))
    line = b'm,a=b f=12.5,g="x 5",h=3i %d' % (_NOW // unit)
    whole, none = read(before + line + b"\n", unit=unit), []
    first, _ = read(before, unit=unit)
    for end in range(len(line)):
        values, bad = read(before + line[:end], unit=unit, ends_whole=False)
        assert values == first, line[:end]
        none += [end] if not bad else []
    assert none in ([0], [])
    for ending in (b"", b"\r", b"\n", b"\r\n"):
        assert read(before + line + ending, unit=unit, ends_whole=False) == whole
    assert read(before + line[:-3], unit=unit, ends_whole=True)[1] == []


def test_a_cut_line_is_reported_with_its_number_and_what_to_set() -> None:
    values, bad = read(b'm f=1 100\nm f="x\ny" 200\n# no time 1\nm f=2 17', ends_whole=False)
    assert [each[6] for each in values] == [100, 200]
    assert [number for number, _ in bad] == [5]
    assert "fewer than 3 digits" in bad[0][1]
    assert "trailing_newline" in bad[0][1]


def test_a_line_may_not_have_more_than_a_document_may() -> None:
    for text in (b"m f=1 1\n" + b"x" * 3000, b"m f=1 1\n" + b"x" * 3000 + b" f=1 1\n"):
        for size in (100, 10_000):
            with pytest.raises(FileUnreadable, match=r"line 2: .*max_document"):
                read(text, size=size, max_document=2000)
    assert len(read(b"m f=1 1\n" * 1000, max_document=2000)[0]) == 1000


def test_a_string_that_is_never_closed_is_one_bad_line() -> None:
    lines = b"m f=1 1\n" * 150_000
    values, bad = read(b'm f="x 5\n' + lines, size=1 << 20)
    assert bad == [(1, "has a string that is not closed")]
    assert len(values) == 150_000


_TOKENS = st.sampled_from(
    [b"m", b"a", b"b", b" ", b" ", b",", b",", b"=", b"=", b"\n", b"\n", b'"', b"\\", b"1", b"1i", b"2u", b"t", b"-",
     b".5", b"e5", b"\r", b"\t", b"#", b"m,a=b f=1 5\n", b'm f="x",g=2i 7\n', b"\\ ", b'\\"', b"\xc3\xa4", b"\xff"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@example(b"\n", 1)
@example(b'm f="\n"\n', 1)
@example(b"m m=m ", 1)
@given(st.lists(_TOKENS, max_size=40).map(b"".join), st.integers(1, 50))
def test_lines_all_at_once_are_what_they_are_one_by_one(text: bytes, size: int) -> None:
    def nothing_is_usual(data: Any) -> Layout:
        layout = usual(data)
        none = np.zeros(len(layout.usual), np.bool_)
        keep = np.zeros(len(layout.owner), np.bool_)
        lines = np.zeros(len(layout.series.begin), np.bool_)
        return Layout(
            layout.lines, none, layout.series.select(lines), layout.times.select(lines),
            layout.keys.select(keep), layout.values.select(keep), layout.owner[keep],
        )  # fmt: skip

    usual = parsing.lay_out
    at_once = read(text, size=size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "plain_block", lambda block: None)
        assert read(text, size=size) == at_once
        patch.setattr(parsing, "lay_out", nothing_is_usual)
        assert read(text) == at_once


_SERIES = st.sampled_from([b"m", b"m,a=b", b"n,a=c,b=d", b"#m", b"m,a", b"m,a=", b"\xef\xbb\xbfm", b"m,a=\xff", b"m\0"])
_VALUES = st.sampled_from(
    [b"1", b"-2.5", b".5", b"1.", b"1e5", b"3i", b"4u", b"t", b"FALSE", b"+1", b"0x1", b"0x1i", b"nan", b"-inf",
     b"1e400", b"", b"x", b"1=2", b"9223372036854775808i", b"-1u", b"1_0", b"\xff"]
)  # fmt: skip
_STAMPS = st.sampled_from(
    [b"5", b"-5", b"05", b"+5", b"0x5", b"-0X5", b"x", b"", b"9223372036854775807", b"5 ", b" 5", b"5\0"]
)
_NAMES = st.sampled_from([b"f", b"g", b"h", b"", b"time", b"\xff"])


def _line(values: st.SearchStrategy[bytes], *parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    series, name, stamp = parts
    fields = st.lists(st.tuples(name, values).map(b"=".join), min_size=1, max_size=3).map(b",".join)
    return st.tuples(series, fields, stamp).map(b" ".join)


_PLAIN = _line(
    st.sampled_from([b"1", b"-2.5", b"3i", b"4u", b"t"]),
    *map(st.sampled_from, ([b"m", b"m,a=b"], [b"f", b"g"], [b"5", b"6"])),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(_PLAIN | _line(_VALUES, _SERIES, _NAMES, _STAMPS), max_size=5) | st.lists(_PLAIN, min_size=1),
    st.sampled_from([b"\n", b"\n\n"]),
)
def test_plain_blocks_are_what_their_lines_are(lines: list[bytes], end: bytes) -> None:
    text = b"".join(line + end for line in lines)
    with pytest.MonkeyPatch.context() as patch:
        at_once = read(text)
        patch.setattr(parsing, "plain_block", lambda block: None)
        assert read(text) == at_once


def test_plain_blocks_are_read_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "lay_out", None)
    values, bad = read(b"m,a=b f=1,g=2i 5\n\nm,a=c f=t 6\nn f=-1.5e3,g=7u -6\n")
    assert not bad
    assert [each[-4:] for each in values] == [
        ("f", "float", 5, "1.0"), ("g", "integer", 5, 2), ("f", "boolean", 6, True),
        ("f", "float", -6, "-1500.0"), ("g", "uinteger", -6, 7),
    ]  # fmt: skip
