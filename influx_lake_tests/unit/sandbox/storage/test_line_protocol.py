"""The grammar, with the messages of the server's own parser."""

from __future__ import annotations

import pytest

from influx_lake.sandbox.storage.columns import Kind
from influx_lake.sandbox.storage.line_protocol import LineError, parse_line, points, render, trim_leading


def test_a_plain_line() -> None:
    point = parse_line("cpu,host=A,region=west usage_system=64i,idle=2.5 1590488773254420000")
    assert point.measurement == "cpu"
    assert point.tags == [("host", "A"), ("region", "west")]
    assert point.fields == [("usage_system", Kind.INTEGER, "64"), ("idle", Kind.FLOAT, "2.5")]
    assert point.timestamp == "1590488773254420000"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("1", Kind.FLOAT, "1"),
        ("-1.50", Kind.FLOAT, "-1.50"),
        ("1e5", Kind.FLOAT, "1e5"),
        ("1.5E-7", Kind.FLOAT, "1.5E-7"),
        ("-9223372036854775808i", Kind.INTEGER, "-9223372036854775808"),
        ("18446744073709551615u", Kind.UINTEGER, "18446744073709551615"),
        ("t", Kind.BOOLEAN, "true"),
        ("True", Kind.BOOLEAN, "true"),
        ("FALSE", Kind.BOOLEAN, "false"),
        ('""', Kind.STRING, ""),
        ('"a b,c=d"', Kind.STRING, "a b,c=d"),
        (r'"say \"hi\""', Kind.STRING, 'say "hi"'),
        (r'"C:\\dir\name\\"', Kind.STRING, "C:\\dir\\name\\"),
        ('"two\nlines"', Kind.STRING, "two\nlines"),
    ],
)
def test_field_values(text: str, kind: Kind, value: str) -> None:
    assert parse_line(f"m f={text} 1").fields == [("f", kind, value)]


@pytest.mark.parametrize(
    ("line", "measurement", "tags", "fields"),
    [
        (r"my\ cpu,ho\,st=a\ b,k\=y=x\,y f\ 1=1", "my cpu", [("ho,st", "a b"), ("k=y", "x,y")], ["f 1"]),
        (r"a\\b,t=c\\d f=1", "a\\b", [("t", "c\\d")], ["f"]),
        (r"a\nb,t=c\.d f=1", r"a\nb", [("t", r"c\.d")], ["f"]),
        ("m=1,t=a=b f,g=1", "m=1", [("t", "a=b")], ["f,g"]),
        ('"m",t="q" "f"=1', '"m"', [("t", '"q"')], ['"f"']),
        ("日本,タグ=値 数=1", "日本", [("タグ", "値")], ["数"]),
    ],
)
def test_names(line: str, measurement: str, tags: list[tuple[str, str]], fields: list[str]) -> None:
    point = parse_line(line)
    assert (point.measurement, point.tags, [name for name, _, _ in point.fields]) == (measurement, tags, fields)


NO_FIELDS = "No fields were provided"
TRAILING = "Could not parse entire line. Found trailing content: "
BACKSLASH = "Measurements, tag keys and values, and field keys may not end with a backslash"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("measurement", "Expected at least one space character, got end of input"),
        ("m\tv=1 5", "Expected at least one space character, got `\tv=1 5`"),
        (",", "Invalid measurement was provided"),
        ("J,#", "Tag set malformed: could not find equals sign in `#`"),
        ("J," + "a" * 200, "Tag set malformed: could not find equals sign in `aaaaaaaaaa...`"),
        ("m,t v=1 5", "Tag set malformed: could not find equals sign in `t v=1 5`"),
        ("J,", "Expected tag key, got end of input"),
        ("testmeasure, bar=1i", "Expected tag key, got ` bar=1i`"),
        ("m,=a v=1 5", "Expected tag key, got `=a v=1 5`"),
        ("0,,=", "Expected tag value, got end of input"),
        (r"testmeasure,foo\=\,baz= bar=1i", "Expected tag value, got ` bar=1i`"),
        ("testmeasure,foo=,baz= bar=1i", "Expected tag value, got `,baz= bar=...`"),
        ("testmeasure,foo=f bar=1i,baz=", TRAILING + "`baz=`"),
        ("m v=1,w=2,x=3,y= 5", TRAILING + "`,y= 5`"),
        ("m v=1 5 6", TRAILING + "`6`"),
        ("m v=1 abcdefghijklmnop", TRAILING + "` abcdefghi...`"),
        ("m v=5. 2", TRAILING + "`. 2`"),
        ("m v=1e 5", TRAILING + "`e 5`"),
        ("m v=tRUE 5", TRAILING + "`RUE 5`"),
        ("m v=1\t5", TRAILING + "`\t5`"),
        ("m v=1\r", TRAILING + "`\r`"),
        ("cpu,host=a val= 123", NO_FIELDS),
        ("m v=.5 1", NO_FIELDS),
        ("m v=+5 5", NO_FIELDS),
        ("m v=NaN", NO_FIELDS),
        ('m v="open', NO_FIELDS),
        (r'm v="open\"', NO_FIELDS),
        ("m v", NO_FIELDS),
        (":\x14\\", BACKSLASH),
        ("m\\\\ f=1", BACKSLASH),
        ("m,t=a\\\\ f=1", BACKSLASH),
        ("m v=66666666666666666666666i", "Unable to parse integer value `66666666666666666666666`"),
        ("m v=18446744073709551616u", "Unable to parse unsigned integer value `18446744073709551616`"),
        ("m v=1 18888888888888888888888", "Unable to parse timestamp value `18888888888888888888888`"),
        (f'm v="{"x" * 65_537}"', "String is greater than 64KB"),
    ],
)
def test_errors_in_the_words_of_the_server(line: str, message: str) -> None:
    with pytest.raises(LineError) as caught:
        parse_line(line)
    assert str(caught.value) == message


def test_the_longest_string_is_accepted() -> None:
    assert parse_line(f'm v="{"x" * 65_536}"').fields[0][2] == "x" * 65_536


def test_lines_comments_and_strings_that_span_lines() -> None:
    body = '# comment\n\n \t\n  m v=1 1\nm s="a\nb\n#c" 2\n\tm v=3 3\n#m v=4 4\nm,t=a\\\nb v=5 5'
    found = list(points(body))
    assert [point.timestamp for point in found] == ["1", "2", "3", "5"]
    assert found[1].fields == [("s", Kind.STRING, "a\nb\n#c")]
    assert found[3].tags == [("t", "a\\\nb")]


def test_a_quote_in_a_name_does_not_open_a_string() -> None:
    assert [point.measurement for point in points('m"x v=1 1\nn v=2 2')] == ['m"x', "n"]


def test_leading_blanks_and_comments_are_trimmed() -> None:
    assert trim_leading(" \t # only a comment") == ""
    assert trim_leading("\t m v=1") == "m v=1"


def test_the_echo_of_a_point_is_canonical() -> None:
    point = parse_line(r'a\ b,t=x\,y   f=1.50,g=2i,h="s",k=1e3  5')
    assert render(point) == r"a\ b,t=x\,y f=1.5,g=2i,h=s,k=1000 5"
