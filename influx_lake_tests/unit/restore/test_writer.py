"""Points as lines, read again by other parsers: that of the files' source, and that of the sandbox."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.restore.lines.dialect import GO, RUST, Dialect
from influx_lake.restore.lines.point_batch import PointBatch
from influx_lake.restore.lines.writer import LineWriter
from influx_lake.sandbox.storage.columns import Kind
from influx_lake.sandbox.storage.line_protocol import points as sandbox_points
from influx_lake.sources.line_protocol.grammar import LineScan, parse_line, parse_series

_SPECIAL = st.text(st.sampled_from('ab,= "\\\n\t#é\0'), max_size=6)
_TEXTS = st.one_of(_SPECIAL, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
_INT64 = st.integers(-(2**63), 2**63 - 1)
_KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.float64(), st.floats()),
    (pa.int64(), _INT64),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.string(), _TEXTS),
]


@st.composite
def _batches(draw: st.DrawFn) -> PointBatch:
    count = draw(st.integers(1, 4))

    def column(kind: pa.DataType, values: st.SearchStrategy[Any]) -> pa.Array:
        drawn = draw(st.lists(st.one_of(st.none(), values), min_size=count, max_size=count))
        found = pa.array(drawn, kind)
        return found.dictionary_encode() if pa.types.is_string(kind) and draw(st.booleans()) else found

    tags = {name: column(pa.string(), _TEXTS) for name in draw(st.lists(_TEXTS, max_size=3, unique=True))}
    fields = []
    for name in draw(st.lists(_TEXTS, max_size=4, unique=True)):
        kind, values = draw(st.sampled_from(_KINDS))
        fields.append((name, column(kind, values)))
    # Beyond these times InfluxDB 1 and 2 have no points.
    times = draw(st.lists(st.integers(-(2**63) + 2, 2**63 - 2), min_size=count, max_size=count))
    return PointBatch(pa.array(times, pa.int64()), tags, tuple(fields))


def _bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def _expected(points: PointBatch, place: int) -> tuple[dict[str, str], dict[str, Any], int]:
    tags = {name: values[place].as_py() for name, values in points.tags.items() if values[place].is_valid}
    fields = {name: _bits(values[place].as_py()) for name, values in points.fields if values[place].is_valid}
    return tags, fields, points.times[place].as_py()


@given(points=_batches(), measurement=_TEXTS)
def test_what_influxdb_1_and_2_read(points: PointBatch, measurement: str) -> None:
    writer = LineWriter(measurement, GO)
    lines = writer.lines(points)
    for place, text in enumerate(lines.texts.to_pylist()):
        if writer.fault or place in lines.faults:
            continue
        line = parse_line(text.encode())
        name, tags = parse_series(line.series)
        fields = {each.name: _bits(each.value) for each in line.fields}
        assert (name, (dict(tags), fields, line.time)) == (measurement, _expected(points, place))


@given(points=_batches(), measurement=_TEXTS)
def test_what_influxdb_3_reads(points: PointBatch, measurement: str) -> None:
    writer = LineWriter(measurement, RUST)
    lines = writer.lines(points)
    good = [text for place, text in enumerate(lines.texts.to_pylist()) if place not in lines.faults]
    if writer.fault:
        return
    read = list(sandbox_points("".join(good)))
    wanted = [_expected(points, place) for place in range(len(points)) if place not in lines.faults]
    assert [
        (each.measurement, (dict(each.tags), {key: _typed(kind, text) for key, kind, text in each.fields}, _time(each)))
        for each in read
    ] == [(measurement, each) for each in wanted]


def _time(point: Any) -> int:
    return int(point.timestamp)


def _typed(kind: Kind, text: str) -> Any:
    match kind:
        case Kind.FLOAT:
            return _bits(float(text))
        case Kind.INTEGER | Kind.UINTEGER:
            return int(text)
        case Kind.BOOLEAN:
            return text == "true"
        case _:
            return text


@pytest.mark.parametrize("dialect", [GO, RUST])
@pytest.mark.parametrize(
    ("tags", "fields", "said"),
    [
        ({}, (("f", float("nan")),), "the field 'f' is no number: nan"),
        ({}, (("f", float("-inf")),), "the field 'f' is no number: -inf"),
        ({"t": "a\nb"}, (("f", 1),), "the tag 't' has a line break, for which line protocol has no form"),
        ({"t": "a\\"}, (("f", 1),), "the tag 't' ends with a backslash, which would escape what follows"),
        ({"t": ""}, (("f", 1),), "the tag 't' is empty"),
        ({"t\n": "a"}, (("f", 1),), "the name of the tag 't\\n' has a line break, for which line protocol has no form"),
        ({}, (("f", None),), "it has no field, and a line needs one"),
        ({}, (("f", 1), ("g", None)), None),
        ({}, (("f", 1), ("f", "a")), "the field 'f' has values of two types"),
        ({}, (("f", 1.5), ("f", None)), None),
    ],
)
def test_points_without_a_form(dialect: Dialect, tags: dict[str, str], fields: Any, said: str | None) -> None:
    points = PointBatch(
        pa.array([1], pa.int64()),
        {name: pa.array([text]) for name, text in tags.items()},
        tuple((name, pa.array([value])) for name, value in fields),
    )
    faults = LineWriter("m", dialect).lines(points).faults
    assert faults == ({} if said is None else {0: said})


def test_only_points_with_a_value_in_what_has_no_form() -> None:
    points = PointBatch(
        pa.array([1, 2], pa.int64()),
        {},
        (("good", pa.array([1, 2])), ("a\nb", pa.array([None, 1.0]))),
    )
    assert list(LineWriter("m", GO).lines(points).faults) == [1]


def test_a_measurement_without_a_form() -> None:
    assert LineWriter("#cpu", GO).fault == "begins with a number sign, as a comment does"
    assert LineWriter("cpu load", GO).fault is None
    said = 'has a backslash before one of `, ="`, with which InfluxDB 1 and 2 lose measurements'
    assert (LineWriter("cpu\\ load", GO).fault, LineWriter("cpu\\ load", RUST).fault) == (said, None)


def test_how_a_line_looks() -> None:
    points = PointBatch(
        pa.array([1_767_225_600_000_000_001], pa.int64()),
        {"region": pa.array([None], pa.string()), "h=o,st": pa.array(["a=b, c"]).dictionary_encode()},
        (
            ("f", pa.array([0.1])),
            ("f=i,e l", pa.array([1.5])),
            ("big", pa.array([1e21])),
            ("zero", pa.array([-0.0])),
            ("i", pa.array([-5])),
            ("u", pa.array([2**64 - 1], pa.uint64())),
            ("b", pa.array([True])),
            ("s", pa.array(['say "hi"\\'])),
        ),
    )
    [line] = LineWriter("cpu,x", GO).lines(points).texts.to_pylist()
    assert line == (
        "cpu\\,x,h\\=o\\,st=a\\=b\\,\\ c f=0.1,f\\=i\\,e\\ l=1.5,"
        'big=1e+21,zero=-0,i=-5i,u=18446744073709551615u,b=true,s="say \\"hi\\"\\\\"'
        " 1767225600000000001\n"
    )


def test_a_line_break_where_the_server_would_take_the_rest_for_a_line() -> None:
    points = PointBatch(
        pa.array([1, 2, 3], pa.int64()),
        {"t": pa.array(["a\\,b", "a\\,b", "a,b"])},
        (("s", pa.array(["x\ny", "x", "x\ny"])),),
    )
    faults = LineWriter("m", GO).lines(points).faults
    assert list(faults) == [0]
    assert faults[0].startswith("the field 's' has a line break behind a backslash in a tag")
    assert LineWriter("m", RUST).lines(points).faults == {}


@given(points=_batches(), measurement=_TEXTS)
def test_a_body_is_cut_into_the_lines_that_were_written(points: PointBatch, measurement: str) -> None:
    writer = LineWriter(measurement, GO)
    lines = writer.lines(points)
    for place, text in enumerate(lines.texts.to_pylist()):
        if writer.fault or place in lines.faults or "\n" not in text[:-1]:
            continue
        scan, parts = LineScan(), text[:-1].encode().split(b"\n")
        assert [scan.ends(part) for part in parts] == [False] * (len(parts) - 1) + [True]
