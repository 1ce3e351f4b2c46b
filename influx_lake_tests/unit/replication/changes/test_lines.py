"""The measurement and the time of lines of line protocol."""

from __future__ import annotations

import pytest

from influx_lake.replication.changes.change import BUCKET, Told
from influx_lake.replication.changes.lines import PRECISIONS, BadLines, told_by_lines

NOW = 1_800_000_000 * 10**9


def told(text: str, precision: str = "n") -> list[Told]:
    return told_by_lines(text.encode(), precision, NOW)


def test_each_hour_of_each_measurement_is_reported_once() -> None:
    text = f"cpu,host=a u=1 {BUCKET}\ncpu,host=b u=2i,v=t {BUCKET + 7}\n# a remark\n\ncpu u=1 {3 * BUCKET}\r\nmem u=1 5"
    assert told(text) == [
        Told("cpu", BUCKET, BUCKET + 7, 2),
        Told("cpu", 3 * BUCKET, 3 * BUCKET, 1),
        Told("mem", 5, 5, 1),
    ]


@pytest.mark.parametrize(("precision", "unit"), PRECISIONS.items())
def test_times_have_every_precision(precision: str, unit: int) -> None:
    assert told("cpu u=1 7\ncpu u=1 -7", precision) == [
        Told("cpu", 7 * unit, 7 * unit, 1),
        Told("cpu", -7 * unit, -7 * unit, 1),
    ]


@pytest.mark.parametrize(
    ("line", "name", "moment"),
    [
        ("cpu u=1", "cpu", NOW),
        (r"cpu\ load\,total,host=a\ b u=1 5", "cpu load,total", 5),
        (r"back\slash u=1 5", r"back\slash", 5),
        ('cpu text="a 12" 5', "cpu", 5),
        ('cpu text="a 12"', "cpu", NOW),
        ('cpu text="line\nbreak 7\ncpu u=3 9" 5', "cpu", 5),
        (r'cpu text="a \" quote" 5', "cpu", 5),
        ('cpu,tag="quoted u=1 5', "cpu", 5),
        ("µ,ü=ö ä=1 5", "µ", 5),
    ],
)
def test_names_and_times_are_found_in_lines_of_any_kind(line: str, name: str, moment: int) -> None:
    assert told(line) == [Told(name, moment, moment, 1)]


def test_a_string_that_is_never_closed_takes_no_longer_than_others() -> None:
    with pytest.raises(BadLines, match="not closed"):
        told_by_lines(b'cpu text="' + b"a\n" * 300_000, "n", NOW)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"cpu", "no measurement or no fields"),
        (b" u=1 5", "no measurement or no fields"),
        (b",host=a u=1 5", "no measurement or no fields"),
        (b'cpu text="open 5', "not closed"),
        (b"\xff\xfe u=1 5", "not UTF-8"),
        (b"cpu u=1 9999999999999999999", "out of range"),
    ],
)
def test_what_is_no_line_protocol_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(BadLines, match=said):
        told_by_lines(body, "n", NOW)
