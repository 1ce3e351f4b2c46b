"""A field of a point has the value that was written last, whatever its type: in every format, in a file and across."""

from __future__ import annotations

import csv
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowInterrupted
from influx_lake.sources import Source, open_source
from influx_lake.sources.landing_zone import file_parser
from influx_lake.sources.points import measurement, staged_file
from influx_lake.sources.points.staged_file import Limits
from influx_lake_tests.unit.sources.line_files import line_source, rows_of

START = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp())
FORMATS = ("lp", "json", "csv", "parquet")
TAGS = {"a": {"host": "a"}, "b": {"host": "b"}, "": {}}


class Write(NamedTuple):
    """One value, as it is written."""

    second: int
    host: str
    field: str
    value: Any


values = st.one_of(
    st.sampled_from([1.5, -0.25, 2.0, 1e300]),
    st.integers(-3, 3),
    st.sampled_from([2**63 + 5, 2**64 - 1]),
    st.booleans(),
    st.sampled_from(["x", "y z"]),
)
files = st.lists(
    st.lists(
        st.builds(Write, st.integers(0, 9), st.sampled_from(sorted(TAGS)), st.sampled_from(["v", "w"]), values),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module", autouse=True)
def _small_pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, "ROWS_AT_ONCE", 5)
        patch.setattr(staged_file, "LIMITS", Limits(run_rows=7, chunk_rows=3))
        patch.setattr(file_parser, "_RECORDS_AT_ONCE", 4)
        yield


def write_file(folder: Path, name: str, writes: Sequence[Write], kind: str) -> None:
    file = folder / "in/m/2026/01/02" / f"{name}.{kind}"
    file.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "lp":
            file.write_text("".join(map(_line, writes)))
        case "json":
            file.write_text("\n".join(map(_object, writes)))
        case "csv":
            with file.open("w", newline="") as sink:
                rows = csv.writer(sink)
                rows.writerow(["timestamp", "host", "v", "w"])
                for each in writes:
                    text = str(each.value).lower() if isinstance(each.value, bool) else each.value
                    cells = (text if each.field == name else "" for name in ("v", "w"))
                    rows.writerow([START + each.second, each.host, *cells])
        case "parquet":
            columns: dict[str, list[Any]] = {
                "timestamp": [START + each.second for each in writes],
                "host": [each.host or None for each in writes],
            }
            for field in {each.field for each in writes}:
                columns[field] = [each.value if each.field == field else None for each in writes]
            arrays = {
                field: pa.array(column, pa.uint64() if field in "vw" and _kind(column) == "uinteger" else None)
                for field, column in columns.items()
            }
            pq.write_table(pa.table(arrays), file)


def _line(write: Write) -> str:
    value = write.value
    series = ",".join(["m", *(f"{key}={text}" for key, text in TAGS[write.host].items())])
    written = {"string": f'"{value}"', "integer": f"{value}i", "uinteger": f"{value}u"}.get(_kind([value]), repr(value))
    return f"{series} {write.field}={written.lower()} {(START + write.second) * 10**9}\n"


def _object(write: Write) -> str:
    tags, fields = TAGS[write.host], {write.field: write.value}
    return json.dumps({"name": "m", "tags": tags, "fields": fields, "timestamp": START + write.second})


def _kind(column: Sequence[Any]) -> str:
    value = next((each for each in column if each is not None), None)
    if isinstance(value, bool | str | float):
        return {bool: "boolean", str: "string", float: "float"}[type(value)]
    return "integer" if value is None or value < 2**63 else "uinteger"


def source_of(folder: Path, kind: str) -> Source:
    if kind == "lp":
        return line_source(folder, str(folder / "in/m/2026/01/02/*"))
    given = {"type": "landing_zone", "path": f"{folder}/in/{{measurement}}/{{year}}/{{month}}/{{day}}", "format": kind,
             "database": "telemetry", "staging": str(folder / "staging"), "tags": ["host"]}  # fmt: skip
    return open_source(LandingZoneConfig.model_validate(given))


def second(number: int) -> datetime:
    return datetime.fromtimestamp(START + number, UTC)


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=15)
@given(files=files, cuts=st.sets(st.integers(1, 9)))
def test_the_last_written_value_counts(kind: str, files: list[list[Write]], cuts: set[int]) -> None:
    if kind == "parquet":
        # A column of a file has one type.
        files = [[each for each in some if _kind([each.value]) == _kind([some[0].value])] for some in files]
    expected: dict[tuple[int, str], dict[str, Any]] = {}
    for each in (each for some in files for each in some):
        expected.setdefault((each.second, each.host), {})[each.field] = each.value
    found: dict[tuple[int, str], dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, some in enumerate(files):
            write_file(Path(folder), str(number), some, kind)
        source = source_of(Path(folder), kind)
        for begin, end in pairwise([-3600, *sorted(cuts), 3600]):
            window = Window(second(begin), second(end))
            rows = rows_of(source, "m", window)
            assert source.count("m", window) == len(rows)
            for row in rows:
                point = row.pop("time") // 10**9 - START, row.pop("host", "")
                assert begin <= point[0] < end
                assert point not in found
                assert len({name[0] for name in row}) == len(row), "a field of a point has one value"
                found[point] = {name[0]: value for name, value in row.items()}
        source.close()
    assert found == expected
    assert all(
        isinstance(value, bool) == isinstance(expected[point][field], bool)
        for point, fields in found.items()
        for field, value in fields.items()
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_a_window_between_two_points_is_empty(kind: str, tmp_path: Path) -> None:
    write_file(tmp_path, "a", [Write(0, "a", "v", 1), Write(50_000, "a", "v", 2)], kind)
    source = source_of(tmp_path, kind)
    between = Window(second(10), second(20))
    assert rows_of(source, "m", between) == []
    assert source.count("m", between) == 0
    assert len(rows_of(source, "m", Window(second(0), second(60_000)))) == 2
    source.close()


@pytest.mark.parametrize("kind", FORMATS)
def test_points_that_meet_with_different_values_are_counted(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    same = [Write(3, "a", "w", 7), Write(3, "a", "w", 7), Write(4, "b", "w", 1), Write(5, "b", "w", 1)]
    write_file(tmp_path, "a", [Write(1, "a", "v", 1), Write(1, "a", "v", 2), Write(2, "a", "v", 3), *same], kind)
    write_file(tmp_path, "b", [Write(1, "a", "v", 5), Write(2, "a", "v", 4)], kind)
    source = source_of(tmp_path, kind)
    with caplog.at_level(logging.WARNING, "influx_lake.sources"):
        assert len(rows_of(source, "m", Window(second(0), second(60)))) == 5
        (message,) = caplog.messages
        assert "more than once, with different values of a field: 2 (" in message
        caplog.clear()
        rows_of(source, "m", Window(second(3), second(60)))
        assert caplog.messages == []
    source.close()


def test_equal_values_of_other_types_are_no_difference(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writes = [(2.0, 2), (0.0, -0.0), (1e300, 1e300), (2**60, float(2**60))]
    lines = [Write(number, "a", "v", value) for number, pair in enumerate(writes) for value in pair]
    write_file(tmp_path, "a", lines, "json")
    source = source_of(tmp_path, "json")
    assert len(rows_of(source, "m", Window(second(0), second(60)))) == 4
    assert caplog.messages == []
    source.close()


@pytest.mark.parametrize("new", [Write(2, "", "w", 1), Write(2, "", "v", "x"), Write(2, "b", "v", 1)])
def test_what_came_after_the_columns_were_requested_is_not_left_out(new: Write, tmp_path: Path) -> None:
    write_file(tmp_path, "a", [Write(1, "", "v", 1)], "json")
    source = source_of(tmp_path, "json")
    schema, window = source.schema("m"), Window(second(0), second(60))
    write_file(tmp_path, "b", [new], "json")
    with source.read(schema, window) as rows, pytest.raises(WindowInterrupted, match="Load the window again"):
        list(rows)
    assert len(rows_of(source, "m", window)) == 2
    source.close()
