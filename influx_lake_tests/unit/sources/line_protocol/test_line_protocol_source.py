from __future__ import annotations

import gzip
import json
import math
import os
import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config.values.windows import Window
from influx_lake.errors import (
    BadRecords,
    DatabaseNotFound,
    FileUnreadable,
    MeasurementNotFound,
    QueryRejected,
    StorageError,
)
from influx_lake.sources.points import measurement, staged_file
from influx_lake.sources.points.staged_file import Limits, UnitWriter
from influx_lake_tests.unit.sources.line_files import ALWAYS, line_source, rows_of

_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\n\\\0\r\t"), min_size=1, max_size=6).filter(
    lambda name: name != "time" and not name.startswith("#")
)
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "uinteger": st.integers(0, 2**64 - 1),
    "boolean": st.booleans(),
    "string": _TEXTS,
}


Tags = tuple[tuple[str, str], ...]
Write = tuple[int, Tags, dict[str, tuple[str, Any]]]


@st.composite
def _writes(draw: st.DrawFn) -> list[Write]:
    """Times with tags and some fields, each with its type and value."""
    names = draw(st.lists(_NAMES, min_size=6, max_size=6, unique=True))
    kinds = {name: draw(st.sampled_from(sorted(_VALUES))) for name in names[:3]}
    tags = st.fixed_dictionaries({}, optional=dict.fromkeys(names[3:], _NAMES))
    typed = {name: st.tuples(st.just(kind), _VALUES[kind]) for name, kind in kinds.items()}
    fields = st.fixed_dictionaries({}, optional=typed).filter(bool)
    # InfluxDB's first and last time (models/time.go of 1.8.10); what is outside of them is a bad line.
    times = st.one_of(st.integers(0, 5), st.integers(-(2**63) + 2, 2**63 - 2))
    writes = draw(st.lists(st.tuples(times, tags, fields), min_size=1, max_size=30))
    return [(time, tuple(sorted(tagged.items())), values) for time, tagged, values in writes]


def _escaped(text: str, characters: str) -> str:
    return "".join(f"\\{each}" if each in characters else each for each in text)


def _written(kind: str, value: Any) -> str:
    match kind:
        case "boolean":
            return random.choice(["t", "T", "true", "True", "TRUE"] if value else ["f", "F", "false", "False", "FALSE"])
        case "string":
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case "float":
            return repr(value)
    return f"{value}{kind[0]}"


def _line(time: int, tags: Tags, name: str, value: str) -> str:
    shuffled = random.sample(tags, len(tags))
    series = ",".join(["m", *(f"{_escaped(key, ',= ')}={_escaped(text, ',= ')}" for key, text in shuffled)])
    return f"{series} {_escaped(name, ',= ')}={value} {time}"


def _packed(data: bytes, how: str) -> bytes:
    if how == "gz":
        return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])
    if how == "zst":
        return b"".join(zstandard.compress(part) for part in (data[: len(data) // 2], data[len(data) // 2 :]))
    return data


@settings(max_examples=50)
@given(_writes(), st.randoms(use_true_random=False), st.sampled_from(["plain", "gz", "zst"]), st.integers(1, 4))
def test_points_are_the_same_however_they_are_written(
    writes: list[Write], draw: random.Random, packing: str, files: int
) -> None:
    last = {(time, tags, name): number for number, (time, tags, fields) in enumerate(writes) for name in fields}
    early, late = [], []
    for number, (time, tags, fields) in enumerate(writes):
        for name, typed in fields.items():
            # Of what was written before, only that it was before the last counts.
            line = _line(time, tags, name, _written(*typed))
            (late if last[time, tags, name] == number else early).append(line)
    draw.shuffle(early)
    draw.shuffle(late)
    lines = [*early, *late]
    cut = -(-len(lines) // files)
    with tempfile.TemporaryDirectory() as folder:
        for begin in range(0, len(lines), cut):
            data = _packed("".join(f"{line}\n" for line in lines[begin : begin + cut]).encode(), packing)
            (Path(folder) / f"{begin:04}.lp").write_bytes(data)
        source = line_source(Path(folder))
        rows = rows_of(source, "m")
        assert source.count("m", ALWAYS) == len(rows)
        source.close()
    expected: dict[Any, dict[str, Any]] = {}
    for (time, tags, name), number in last.items():
        expected.setdefault((time, *tags), {})[name] = writes[number][2][name][1]
    tag_names = {name for _, tags, _ in writes for name, _ in tags}
    found = {}
    for row in rows:
        point = (row.pop("time"), *sorted((name, row.pop(name)) for name in tag_names & row.keys()))
        assert point not in found
        found[point] = row
    assert _comparable(found) == _comparable(expected)


def _comparable(points: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    """Minus zero is a value of its own."""
    return {
        key: {n: (v, math.copysign(1, v)) if isinstance(v, float) else v for n, v in fields.items()}
        for key, fields in points.items()
    }


def test_a_window_is_put_together_from_runs_and_files_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "ROWS_AT_ONCE", 500)
    monkeypatch.setattr(staged_file, "LIMITS", Limits(run_rows=700, chunk_rows=64))
    draw = random.Random(7)
    writes = [(draw.randrange(900), draw.randrange(5), draw.choice("abc"), draw.randrange(10**6)) for _ in range(9000)]
    for number in range(3):
        part = writes[number * 3000 : (number + 1) * 3000]
        text = "".join(f"m,s={s} {f}={v}i {t * 1_000_000_000}\n" for t, s, f, v in part)
        (tmp_path / f"{number}.lp").write_text(text)
    expected: dict[tuple[int, str], dict[str, int]] = {}
    for time, series, name, number in writes:
        expected.setdefault((time, str(series)), {})[name] = number
    source = line_source(tmp_path)
    seen: dict[tuple[int, str], dict[str, int]] = {}
    for minute in range(15):
        window = Window(datetime.fromtimestamp(60 * minute, UTC), datetime.fromtimestamp(60 * minute + 60, UTC))
        rows = rows_of(source, "m", window)
        assert source.count("m", window) == len(rows)
        for row in rows:
            time = row.pop("time") // 1_000_000_000
            assert 60 * minute <= time < 60 * minute + 60
            assert (time, row["s"]) not in seen
            seen[time, row.pop("s")] = row
    assert seen == expected
    source.close()


def test_a_file_is_taken_apart_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    close = UnitWriter.close
    monkeypatch.setattr(UnitWriter, "close", lambda self, facts: (made.append(self.folder), close(self, facts))[1])
    file = tmp_path / "a.lp"
    file.write_text("m f=1 1\n")
    for _ in range(2):
        source = line_source(tmp_path)
        assert rows_of(source, "m") == [{"time": 1, "f": 1.0}]
        source.close()
    assert len(made) == 1
    file.write_text("m f=2 1\n")
    os.utime(file, ns=(1, 1))
    source = line_source(tmp_path)
    assert rows_of(source, "m") == [{"time": 1, "f": 2.0}]
    assert len(made) == 2
    source.close()


def test_what_a_crash_left_is_removed_and_made_again(tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text("m f=1 1\n")
    left = tmp_path / "staging" / f"{'0123' * 8}.partial"
    left.mkdir(parents=True)
    (left / "cells.arrow").write_bytes(b"x" * 100)
    source = line_source(tmp_path)
    assert rows_of(source, "m")
    source.close()
    assert not left.exists()


def test_what_no_window_asks_for_makes_room(tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text("m f=1 1\n")
    old = line_source(tmp_path)
    old.measurements()
    (old_unit,) = (each for each in (tmp_path / "staging").iterdir() if each.is_dir())
    (tmp_path / "b.lp").write_text("m f=1 1\n")
    os.utime(old_unit, (0, 0))
    using = line_source(tmp_path, str(tmp_path / "b.lp"))
    using.measurements()
    using.close()
    assert old_unit.is_dir(), "it is in use"
    old.close()
    (tmp_path / "b.lp").write_text("m f=1 22\n")
    os.utime(old_unit, (0, 0))
    later = line_source(tmp_path, str(tmp_path / "b.lp"), staging_keep=timedelta(days=1))
    later.measurements()
    later.close()
    assert not old_unit.exists()


def test_what_is_no_unit_stays_where_somebody_put_the_staging_folder(tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text("m f=1 1\n")
    staging = tmp_path / "staging"
    others = [staging / "warehouse" / "data.parquet", staging / "2026" / "a.json", staging / ("ab" * 16) / "photo"]
    others += [staging / "notes.partial" / "x", staging / f"{'cd' * 16}.partial.txt"]
    for file in others:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("of somebody else" * 100)
        os.utime(file, (0, 0))
        os.utime(file.parent, (0, 0))
    source = line_source(tmp_path, staging_keep=timedelta(seconds=1), staging_limit=100_000)
    assert rows_of(source, "m")
    source.close()
    assert [file.read_text()[:8] for file in others] == ["of someb"] * len(others)
    assert sorted(staging.glob("*.lock")) == [next(staging.glob("*.lock"))], "only its own unit has a lock"


def test_a_file_that_needs_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text("".join(f"m f={n}.5 {n}\n" for n in range(1000)))
    with pytest.raises(StorageError, match="staging_limit"):
        line_source(tmp_path, staging_limit=1000).measurements()
    assert [each.suffix for each in (tmp_path / "staging").iterdir()] == [".lock"]


def test_bad_lines_fail_a_run_and_are_kept_for_people(tmp_path: Path) -> None:
    file = tmp_path / "a.lp"
    file.write_text("m f=1 1\nm f=oops 2\nm f=3 3\n")
    with pytest.raises(BadRecords, match=r"line 2 has an invalid value: 'oops'.*max_bad_lines"):
        line_source(tmp_path).measurements()
    kept = list((tmp_path / "staging" / "bad_lines").iterdir())
    assert [json.loads(line) for line in kept[0].read_text().splitlines()] == [
        {"line": 2, "reason": "has an invalid value: 'oops'", "text": "m f=oops 2"}
    ]
    source = line_source(tmp_path, max_bad_lines=1)
    assert [row["f"] for row in rows_of(source, "m")] == [1.0, 3.0]
    assert "1 bad lines left out" in source.server().version
    source.close()
    with pytest.raises(BadRecords, match="1 line or more"):
        line_source(tmp_path).measurements()


_EXPORT = """# DML
# CONTEXT-DATABASE:telemetry
# CONTEXT-RETENTION-POLICY:autogen
m f=1 1
# CONTEXT-DATABASE:telemetry
# CONTEXT-RETENTION-POLICY:short
m f=2 1
# CONTEXT-DATABASE:other
# CONTEXT-RETENTION-POLICY:autogen
m f=3 1
"""


def test_only_the_points_of_the_database_and_policy_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text(_EXPORT)
    for options, expected in [({"retention_policy": "short"}, 2.0), ({"database": "other"}, 3.0)]:
        source = line_source(tmp_path, **options)
        assert rows_of(source, "m") == [{"time": 1, "f": expected}]
        source.close()
    with pytest.raises(QueryRejected, match="several retention policies: autogen, short"):
        line_source(tmp_path).measurements()
    with pytest.raises(DatabaseNotFound, match="points of other, telemetry, and not of prod"):
        line_source(tmp_path, database="prod").measurements()
    with pytest.raises(DatabaseNotFound, match="not in weekly"):
        line_source(tmp_path, retention_policy="weekly").measurements()


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="matches no file"):
        line_source(tmp_path).measurements()
    with pytest.raises(FileUnreadable, match="does not exist"):
        line_source(tmp_path, str(tmp_path / "none.lp")).measurements()
    (tmp_path / "a.lp.gz").write_bytes(gzip.compress(b"m f=1 1\n" * 1000)[:-20])
    with pytest.raises(FileUnreadable, match="damaged, or cut off"):
        line_source(tmp_path).measurements()
    (tmp_path / "a.lp.gz").write_bytes(gzip.compress(b"m f=1 1\n"))
    source = line_source(tmp_path)
    with pytest.raises(MeasurementNotFound, match="no measurement 'x'"):
        source.schema("x")
    source.close()


def test_files_are_found_by_path_folder_list_and_pattern(tmp_path: Path) -> None:
    places = ["a.lp", "b.txt", "x/c.lp", "x/y/d.lp"]
    for number, name in enumerate(places):
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"m f={number} {number}\n")
    for path, expected in [
        ("a.lp", [0]),
        ("", [0, 1, 2, 3]),
        ("*.lp", [0]),
        ("*/*.lp", [2]),
        ("**/*.lp", [0, 2, 3]),
        ("[ab].*", [0, 1]),
        (["b.txt", "x"], [1, 2, 3]),
    ]:
        paths = [path] if isinstance(path, str) else path
        source = line_source(tmp_path, [f"{tmp_path}/in/{each}" for each in paths])
        assert [row["time"] for row in rows_of(source, "m")] == expected, path
        source.close()


def test_each_type_of_a_field_has_its_column(tmp_path: Path) -> None:
    values = ["1.5", "2i", f"{2**53 + 1}i", f"{2**63 - 1}i", "-9223372036854775808i", '"x"', "t", "7u"]
    (tmp_path / "a.lp").write_text("".join(f"m,v=a v={each} {time}\n" for time, each in enumerate(values)))
    source = line_source(tmp_path)
    columns = {each.name: (each.type.value, each.variant_of) for each in source.schema("m").columns}
    assert columns == {
        "time": ("time", None),
        "v": ("string", None),
        "v__field": ("float", None),
        "v__field__integer": ("integer", "v__field"),
        "v__field__uinteger": ("uinteger", "v__field"),
        "v__field__string": ("string", "v__field"),
        "v__field__boolean": ("boolean", "v__field"),
    }
    found = [[value for name, value in row.items() if name not in ("time", "v")] for row in rows_of(source, "m")]
    assert found == [[1.5], [2.0], [2**53 + 1], [2**63 - 1], [-(2.0**63)], ["x"], [True], [7]]
    source.close()
