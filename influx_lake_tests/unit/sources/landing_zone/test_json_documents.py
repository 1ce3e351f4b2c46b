"""JSON is read as objects, however they are laid out in lines; what is no object counts, with all its points."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.errors import FileUnreadable
from influx_lake.sources.files import FileLimits, numbered_lines
from influx_lake.sources.landing_zone.json_documents import JsonDocuments
from influx_lake.sources.landing_zone.unreadable_part import NamedTwice, NotHeld, Unreadable

Found = list[tuple[int, Any]]


def read(text: str | bytes, *, size: int = 1 << 20, max_document: int = 10**7) -> Found:
    raw, limits = text.encode() if isinstance(text, str) else text, FileLimits(max_document, 1000)
    chunks = (raw[begin : begin + size] for begin in range(0, len(raw), size))
    return list(JsonDocuments(numbered_lines(chunks, "a.json", limits), "a.json", limits, "timestamp").records())


def bad(found: Found) -> list[tuple[int, str]]:
    return [(number, each.reason) for number, each in found if isinstance(each, Unreadable)]


def good(found: Found) -> list[Any]:
    return [each for _, each in found if not isinstance(each, Unreadable)]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["a", 'b":', "{[", "metrics"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
points = st.lists(st.fixed_dictionaries({"timestamp": st.integers(0, 5)}, optional={"v": values}), max_size=6)
layouts = st.sampled_from(
    ["lines", "one after the other", "array", "pretty", "pretty array", "metrics", "array by lines"]
)


def laid_out(records: list[dict[str, Any]], layout: str) -> str:
    match layout:
        case "lines":
            return "".join(json.dumps(each) + "\n" for each in records)
        case "one after the other":
            return "".join(json.dumps(each) for each in records)
        case "array":
            return json.dumps(records)
        case "pretty":
            return "".join(json.dumps(each, indent=1) for each in records)
        case "pretty array":
            return json.dumps(records, indent=2) + "\r\n"
        case "metrics":
            return "".join(json.dumps({"metrics": [each]}, ensure_ascii=False) for each in records)
    return "[\n" + ",\n".join(json.dumps(each) for each in records) + "\n]\n"


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(st.tuples(points, layouts), max_size=3), size=st.integers(1, 40), marked=st.booleans())
def test_objects_are_read_however_they_are_laid_out(
    parts: list[tuple[list[dict[str, Any]], str]], size: int, marked: bool
) -> None:
    text = "\n".join(laid_out(*part) for part in parts)
    found = read(("\ufeff" if marked else "") + text, size=size)
    assert not bad(found)
    assert repr(good(found)) == repr([each for records, _ in parts for each in records])


@settings(max_examples=150, deadline=None)
@given(records=points, layout=layouts, cut=st.integers(1, 200))
def test_of_a_file_that_is_cut_nothing_is_taken_that_was_not_there(
    records: list[dict[str, Any]], layout: str, cut: int
) -> None:
    text = laid_out(records, layout)
    found = read(text[:-cut])
    whole = [json.dumps(each) for each in records]
    taken = [each for each in good(found) if isinstance(each, dict) and "timestamp" in each]
    assert all(json.dumps(each) in whole for each in taken)
    if text[:-cut].strip():
        assert (
            bad(found)
            or len(good(found)) == len(records)
            or layout in ("lines", "one after the other", "pretty", "metrics")
        )


def test_a_line_that_is_none_leaves_the_others_alone() -> None:
    for broken in (
        '{"a":',
        '{"a": [',
        '{"metrics":[',
        '{"a": "x',
        "nonsense",
        "}",
        '{"a": 1,',
        "[1, 2",
        "{'a': 1}",
        '{"a": tru}',
    ):
        found = read(f'{{"n": 1}}\n{broken}\n{{"n": 2}}\n{{"n": 3}}\n')
        assert [number for number, _ in bad(found)] == [2], broken
        assert good(found) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_what_holds_many_points_counts_as_many() -> None:
    one = '{"timestamp": 1, "v": 2}'
    assert len(bad(read(f'{{"metrics": [{",".join([one] * 20)},}}'))) == 20
    found = read(one * 5 + '{"timestamp": 1, "v": }' + one * 7 + "\n" + one)
    assert (len(good(found)), len(bad(found))) == (6, 8)
    assert len(bad(read(b'{"timestamp": 1, "v": "\xff"}' * 3))) == 3
    assert len(bad(read(f'{{"metrics": [{one}, {one}], "host": "a"}}'))) == 2


def test_names_that_stand_twice_are_reported() -> None:
    [(_, record)] = read('{"a": 1, "b": 2, "a": 1}')
    assert isinstance(record, NamedTwice)
    assert record.name == "a"
    [(_, record)] = read('{"fields": {"a": 1, "a": 2}}')
    assert isinstance(record["fields"], NamedTwice)
    assert not any(isinstance(each, NamedTwice) for each in good(read('{"a": "\\":", "b" : 1}\n{"b": "x\\":"}')))


def test_numbers_are_what_is_written() -> None:
    [(_, record)] = read('{"a": -0, "b": 1e400, "c": 1e-400, "d": 1e-3, "e": [-0 ], "f": %s}' % ("9" * 5000))
    assert repr(record["a"]) == "-0.0"
    assert record["b"] == NotHeld("1e400")
    assert record["c"] == NotHeld("1e-400")
    assert (record["d"], repr(record["e"])) == (0.001, "[-0.0]")
    assert isinstance(record["f"], NotHeld)
    [(_, record)] = read('{"timestamp": 1748736000.123456789}')
    assert record["timestamp"].text == "1748736000.123456789"


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[\n" * 2_000, '{"a":' * 900 + "1" + "}" * 900])
def test_what_is_nested_too_deeply_is_reported(text: str) -> None:
    found = read(text + "\n")
    assert all(isinstance(each, Unreadable) or len(text) < 10_000 for _, each in found)
    assert found


def test_a_document_may_not_have_more_than_is_allowed() -> None:
    for text in ('{"a": "' + "x" * 3000, "[\n" + '{"a": 1},\n' * 500, " " * 5000):
        with pytest.raises(FileUnreadable, match="max_document"):
            read('{"a": 1}\n' + text, max_document=2000, size=100)
    assert len(good(read('{"a": 1}\n' * 1000, max_document=2000))) == 1000
