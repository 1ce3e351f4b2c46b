"""Line protocol that is written is what the server's grammar reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from influx_lake.cli.demo.points import Unsigned, point, series
from influx_lake.sandbox.storage.columns import Kind
from influx_lake.sandbox.storage.line_protocol import parse_line

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\\"), min_size=1, max_size=12
).filter(lambda text: not text.startswith("#") and text.strip())


@given(NAMES, st.dictionaries(NAMES, NAMES, max_size=3))
def test_names_and_tags_come_back(measurement: str, tags: dict[str, str]) -> None:
    parsed = parse_line(point(series(measurement, tags), {"value": 1.5}, 7))
    assert (parsed.measurement, dict(parsed.tags), parsed.timestamp) == (measurement, tags, "7")


def test_types() -> None:
    line = point(series("m", {}), {"a": 1, "b": Unsigned(2**64 - 1), "c": 0.5, "d": -3}, -1)
    parsed = parse_line(line)
    assert parsed.fields == [
        ("a", Kind.INTEGER, "1"),
        ("b", Kind.UINTEGER, "18446744073709551615"),
        ("c", Kind.FLOAT, "0.5"),
        ("d", Kind.INTEGER, "-3"),
    ]


def test_an_empty_tag_is_left_out() -> None:
    assert series("m", {"b": "", "a": "1"}) == "m,a=1"
