"""CSV is read as its header says; what has no header, or is no row, or may be a part of one, is told."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from influx_lake.config import LandingZoneConfig
from influx_lake.errors import FileUnreadable
from influx_lake.sources.files import FileLimits, numbered_lines
from influx_lake.sources.landing_zone.csv_rows import CsvRows
from influx_lake.sources.landing_zone.unreadable_part import Unreadable

HEADER = "timestamp,name,host,v\n"
ROW = "1748736000,cpu,a,12.5\n"


def config(**options: Any) -> LandingZoneConfig:
    given = {"type": "landing_zone", "path": "/in/{year}", "database": "telemetry", "format": "csv", **options}
    return LandingZoneConfig.model_validate(given)


def read(
    text: str | bytes, *, size: int = 1 << 20, max_document: int = 10**6, measurement: str | None = None, **options: Any
) -> list[tuple[int, Any]]:
    raw, limits = text.encode() if isinstance(text, str) else text, FileLimits(max_document, 1000)
    chunks = (raw[begin : begin + size] for begin in range(0, len(raw), size))
    lines = numbered_lines(chunks, "a.csv", limits)
    return list(CsvRows(lines, "a.csv", limits, config(**options), measurement).records())


def bad(found: list[tuple[int, Any]]) -> list[tuple[int, str]]:
    return [(number, each.reason) for number, each in found if isinstance(each, Unreadable)]


def good(found: list[tuple[int, Any]]) -> list[Any]:
    return [each for _, each in found if not isinstance(each, Unreadable)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROW, r"line 1: a header is missing.*`header`"),
        ("2025-06-01T00:00:00Z,cpu,a,1\n", "a header is missing"),
        ("\n\n" + ROW, "line 3: a header is missing"),
        ("time,name,v\n", r"no column 'timestamp'.*Set `timestamp`"),
        ("timestamp,measurement,v\n", r"no column 'name'.*Set `measurement_column`"),
        ("timestamp;name;v\n1;cpu;2\n", r'separated by \';\'.*Set `delimiter: ";"`'),
        ("timestamp\tname\tv\n1\tcpu\t2\n", r'Set `delimiter: "\\t"`'),
        ("timestamp,name,v,v\n", "has the column 'v' twice"),
        (",timestamp,name,v\n", "column 1 of the header has no name.*index=False"),
        ("#datatype,string,long\n#group,false\n", "annotated CSV"),
        (
            "timestamp,name,v\r1,cpu,2\r",
            "line 1: the header is not CSV: it holds a carriage return outside of quotes: lines end in LF, or",
        ),
        ("timestamp,name,vé\n".encode("latin-1"), "line 1: the header is not UTF-8"),
        ('timestamp,name,"v\n1,cpu,2\n', "the header is not CSV: a quote is opened, and not closed"),
        ("timestamp ,name,v\n1,cpu,2\n", "line 1: the header has spaces around the name of a column, 'timestamp '"),
        ("timestamp, name, v\n1, cpu, 2\n", "spaces around the name of a column, ' name', .*Remove them"),
        ("timestamp,name,v\n1,cpu,2\ntimestamp,v,name\n", "line 3: this is another header.*: timestamp,"),
        ("timestamp,name,v\n1,cpu,2\ntimestamp,name,host,v\n", "line 3: this is another header.*: timestamp,"),
        ("timestamp,name,v,w\n1,cpu,2,3\ntimestamp,name,x,y\n", "line 3: this is another header"),
        ("timestamp,name,v", "the header is the last line"),
    ],
)
def test_a_header_says_what_the_columns_are(text: str | bytes, message: str) -> None:
    with pytest.raises(FileUnreadable, match=message):
        read(text)


def test_files_without_a_header_are_read_with_the_names_that_are_given() -> None:
    names = ["timestamp", "name", "host", "v"]
    expected = [dict(zip(names, ROW.strip().split(","), strict=True))]
    assert good(read(ROW, header=names)) == expected
    assert good(read(HEADER + ROW, header=names)) == expected, "also beside such that have it"
    assert good(read("\ufeff" + HEADER + ROW)) == expected
    assert good(read(HEADER.replace(",", ";") + ROW.replace(",", ";"), delimiter=";")) == expected
    for wrong in (
        {"header": ["name", "v"]},
        {"header": ["timestamp", "name", "name"]},
        {"delimiter": ";;"},
        {"delimiter": '"'},
    ):
        with pytest.raises(ValidationError):
            config(**wrong)
    with pytest.raises(ValidationError, match="options of CSV"):
        config(format="json", delimiter=";")


@pytest.mark.parametrize(
    ("row", "count", "reason"),
    [
        ("1748736000,cpu,a\n", 1, "has 3 values, where the header has 4 columns"),
        ("1748736000,cpu,a,1,5\n", 1, "has 5 values, where the header has 4 columns"),
        ('1748736000,cpu,"a"b,1\n', 1, "is not CSV: there is text after a closing quote: a quote inside a value"),
        ('1748736000,cpu,"a\nb"c,1\n', 2, "is not CSV"),
        ("1748736000,cpu,é,1\n".encode("latin-1"), 1, "is not UTF-8"),
        ("1748736000,cpu,a,1\0\0\n", 1, "contains NUL bytes"),
        (b"\0\0\0\0\n", 1, "contains NUL bytes"),
        ("1748736000,cpu,a,1\r1748736000,cpu,b,2\n", 1, "is not CSV: it holds a carriage return"),
    ],
)
def test_what_is_no_row_is_reported_and_the_others_load(row: str | bytes, count: int, reason: str) -> None:
    raw = row.encode() if isinstance(row, str) else row
    found = read((HEADER + ROW).encode() + raw + ROW.encode(), size=7)
    assert len(good(found)) == 2
    assert [number for number, _ in bad(found)] == list(range(3, 3 + count))
    assert all(each.startswith(reason) for _, each in bad(found))


def test_a_quote_that_is_not_closed_takes_no_row_with_it_unseen() -> None:
    found = read(HEADER + ROW + '1748736000,cpu,"a,1\n' + ROW * 10)
    assert len(good(found)) == 1
    assert [number for number, _ in bad(found)] == list(range(3, 14))


def test_a_file_that_is_cut_anywhere_gives_no_value_that_was_not_there() -> None:
    last = '1748736060,cpu,"b ""x""",12.34'
    expected = good(read(HEADER + ROW))
    for end in range(1, len(last) + 1):
        found = read(HEADER + ROW + last[:end])
        assert good(found) == expected, last[:end]
        assert [number for number, _ in bad(found)] == [3]
    whole = [*expected, {"timestamp": "1748736060", "name": "cpu", "host": 'b "x"', "v": "12.34"}]
    for ending in ("\n", "\r\n", "\r"):
        assert good(read(HEADER + ROW + last + ending)) == whole
    assert good(read(HEADER + ROW + last, trailing_newline="optional")) == whole


def test_long_values_load_and_endless_ones_are_refused() -> None:
    long = "x" * 500_000
    [row] = good(read(f'{HEADER}1748736000,cpu,a,"{long}\n{long[:1000]}"\n'))
    assert row["v"] == f"{long}\n{long[:1000]}"
    for text in ("1748736000,cpu,a," + "x" * 3000, '1748736000,cpu,a,"' + "x\n" * 3000):
        with pytest.raises(FileUnreadable, match="max_document"):
            read(HEADER + text, max_document=2000, size=100)


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6) | st.sampled_from(
    ['"', ",", "\n", "\r\n", ";", " ", "a,b", '""', "#", "\ufeff"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cells, cells), max_size=6), st.sampled_from([",", ";", "\t"]), st.integers(1, 30))
def test_rows_are_what_was_written(rows: list[tuple[str, str]], delimiter: str, size: int) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["timestamp", "name", "a", "b"])
    writer.writerows([("1", "cpu", *row) for row in rows])
    found = read(text.getvalue(), size=size, delimiter=delimiter)
    assert not bad(found)
    assert [(each["a"], each["b"]) for each in good(found)] == rows


def test_a_header_that_comes_again_is_no_row() -> None:
    # Files that were put behind one another.
    assert good(read((HEADER + ROW) * 3)) == good(read(HEADER + ROW * 3))
    assert not bad(read((HEADER + ROW) * 3))
    text = good(read("timestamp,name,host,v\n1748736000,cpu,timestamp,name\n"))
    assert text[0]["host"] == "timestamp", "a value may be called as a column is"
