"""Blocks of JSON and CSV that Arrow reads at once give what their records give, and what is odd is left to these."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from influx_lake.sources.files import FileLimits, reading
from influx_lake.sources.files.text_blocks import TextBlocks
from influx_lake.sources.landing_zone.text_records import TextRecords
from influx_lake_tests.unit.sources.landing_zone import test_landed_records
from influx_lake_tests.unit.sources.landing_zone.test_landed_records import START, by_rows, read

NUMBERS = ["0", "-0", "-0.0", "0.5", "-1", "1.0", "1e5", "-2E-3", "1e-400", "2.5e-310", "1e400", "NaN", "01", "1.",
           "+1", "9007199254740993", "9223372036854775808", "-9223372036854775808", "null", "true",
           "18446744073709551616", "123456789.12345678901234567890"]  # fmt: skip
TEXTS = ['"a"', '""', '"2026-01-01T00:00:00Z"', '"2026-01-01"', '"e-123"', '"5e-123"', '"x-0"', '",-0,"', '"\\u00e4"',
         '"\\ud800"', '"\\u0000"', '"ä"', "{}", "[]", '{"a":1}']  # fmt: skip
values = st.sampled_from([*NUMBERS, *TEXTS])
numbers = st.sampled_from(NUMBERS[:8])
texts = st.sampled_from(TEXTS[:8])
names = st.sampled_from(["usage", "state", "host", "time", ""])
TIMES = [str(START), str(START + 1), f"{START}.5", '"2026-01-02T00:00:01.5Z"', '"2026-01-02T00:00:60Z"', "null"]
ENDS = ["\n", "\n", "\n", "\r\n", " ", "", "\n\n"]


@contextmanager
def chunks_of(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "CHUNK_BYTES", size)
        yield


@contextmanager
def watched() -> Iterator[list[bool]]:
    """Tells of each block whether it was read at once."""
    found: list[bool] = []
    points = TextRecords.points

    def of(text: TextRecords, block: memoryview) -> Any:
        columns = points(text, block)
        found.append(columns is not None)
        return columns

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextRecords, "points", of)
        yield found


def members(field: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(names, field), max_size=3).map(lambda each: ",".join(f'"{n}":{v}' for n, v in each))


def records(field: st.SearchStrategy[str], time: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    flat = st.tuples(members(field), time).map(lambda each: f'{{"timestamp":{each[1]}{"," * bool(each[0])}{each[0]}}}')
    nested = st.tuples(st.sampled_from(["x", "y"]), members(field), time).map(
        lambda each: f'{{"tags":{{"host":"{each[0]}"}},"fields":{{{each[1]}}},"timestamp":{each[2]}}}'
    )
    return flat | nested


odd_lines = st.sampled_from(
    ['{"metrics":[]}', "[]", "nothing", '{"timestamp":1', "\ufeff", '"usage":2}', '{"usage":\n2,']
)
lines = st.lists(
    st.tuples(
        records(values, st.sampled_from(TIMES)) | records(numbers, st.just(TIMES[0])) | odd_lines, st.sampled_from(ENDS)
    ),
    max_size=8,
)
few = st.lists(st.tuples(records(numbers | texts, st.just(TIMES[0])), st.just("\n")), min_size=1, max_size=8)


@settings(max_examples=60)
@given(parts=few | lines, size=st.sampled_from([16, 100, 8192]))
@example(parts=[(f'{{"timestamp":{START},"usage":-0}}', "\n")], size=8192)
@example(parts=[(f'{{"timestamp":{START},"usage":5e-999}}', "\n")], size=8192)
def test_blocks_of_json_and_one_by_one(parts: list[tuple[str, str]], size: int) -> None:
    text = "".join(line + end for line, end in parts)
    with chunks_of(size):
        assert read(text, "json", max_bad_lines=100) == by_rows(text, "json", max_bad_lines=100)


@settings(max_examples=30)
@given(
    parts=st.lists(st.tuples(records(numbers | texts, st.just(TIMES[0])), st.sampled_from(["cpu", "mem"])), max_size=8)
)
def test_blocks_of_several_measurements_and_one_by_one(parts: list[tuple[str, str]]) -> None:
    text = "".join(f'{{"name":"{name}",{record[1:]}\n' for record, name in parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_landed_records, "BY_HOUR", "cpu/year={year}/month={month}/day={day}/hour={hour}")
        assert read(text, "json", measurement_column="name", max_bad_lines=100) == by_rows(
            text, "json", measurement_column="name", max_bad_lines=100
        )


cells = st.sampled_from(
    ["", "1", "01", "-0", "1.5", "1e5", "1e999", "4e-320", "0.1234567890123456789", "a", '"a"', '""', '"a""b"', 'a"b',
     '"a"b', '"two\nlines"', '"a,b"', "true", "False", "tea", " 1", "0x1", "inf", "9007199254740993",
     "9223372036854775808", "ä"]
)  # fmt: skip
plain_cells = st.sampled_from(["", "1", "2.5", "-3", '"a"', "a"])
csv_times = st.just(str(START)) | st.sampled_from(
    [str(START), "2026-01-02T00:00:01Z", "2026-01-02T00:00:01.123456789Z", "2026-02-30T00:00:00Z", "timestamp", "x", ""]
)


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(csv_times, cells, cells), max_size=8)
    | st.lists(st.tuples(st.just(str(START)), plain_cells, plain_cells), max_size=8),
    end=st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"]),
    last=st.sampled_from(["", "", "timestamp,host,usage\n", f"{START},a", f"{START},a,1", '"', "\0\n"]),
    size=st.sampled_from([16, 64, 8192]),
)
def test_blocks_of_csv_and_one_by_one(rows: list[tuple[str, str, str]], end: str, last: str, size: int) -> None:
    text = "".join(",".join(row) + end for row in [("timestamp", "host", "usage"), *rows]) + last
    with chunks_of(size):
        assert read(text, "csv", max_bad_lines=100) == by_rows(text, "csv", max_bad_lines=100)


def test_plain_blocks_are_read_at_once() -> None:
    record = {"fields": {"usage": 1.5, "count": 3, "state": "2026-01-02", "up": True}, "name": "cpu",
              "tags": {"host": "eu-0"}, "timestamp": START}  # fmt: skip
    line = json.dumps(record) + "\n"
    for kind, text in (
        ("json", line * 3),
        ("json", json.dumps({"metrics": [record] * 3}) + "\n"),
        (
            "csv",
            'timestamp,host,usage,state\n1767312000,"a",1.5,"x ""y"""\n2026-01-02T00:00:01Z,"b",2,z\n'.replace(
                "1767312000", "2026-01-02T00:00:02Z"
            ),
        ),
    ):
        with watched() as found:
            assert isinstance(read(text, kind)["rows"], list)
        assert found, kind
        assert all(found), kind


@pytest.mark.parametrize("odd", [f'{{"timestamp": {START}, "usage": 2}}{{"timestamp": {START},\n"usage": 3}}\n', "\n"])
def test_what_is_odd_is_left_to_its_block(odd: str) -> None:
    plain = f'{{"timestamp": {START}, "host": "a", "usage": 1}}\n'
    text = plain * 2 + odd + plain * 8
    with chunks_of(len(plain) * 2), watched() as found:
        rows = read(text, "json")
    assert found[0]
    assert found[-1]
    assert rows == by_rows(text, "json")


def test_blocks_and_lines_take_turns() -> None:
    limits = FileLimits(1_000, 1_000)
    blocks = TextBlocks(iter([b"a\nb", b"b\nc\n", b"d", b"\ne"]), "a.json", limits)
    assert bytes(blocks.block() or b"") == b"a\n"
    lines = blocks.lines()
    assert next(lines) == (1, b"a\n")
    assert blocks.between
    assert bytes(blocks.block() or b"") == b"bb\nc\n"
    assert next(lines) == (2, b"bb\n")
    assert not blocks.between
    assert bytes(blocks.block() or b"") == b"c\n"
    blocks.pass_over()
    assert list(lines) == [(4, b"d\n"), (5, b"e")]
    assert blocks.block() is None


@pytest.mark.parametrize("batched", [False, True])
def test_names_that_few_metrics_have_take_no_room(batched: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influx_lake.sources.landing_zone.record_columns._MOST_VALUES", 100)
    records = [{"fields": {f"f{number}": number}, "timestamp": START} for number in range(20)]
    text = "".join(json.dumps(each) + "\n" for each in ([{"metrics": records}] if batched else records))
    text = text.removesuffix("\n") if batched else text
    with watched() as found:
        rows = read(text, "json")
    assert found == [False]
    assert rows == by_rows(text, "json")
