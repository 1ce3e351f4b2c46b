from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.document.yaml_tree import Mapping, Scalar, Sequence, YamlMistake, parse_yaml


def plain(node: object) -> object:
    match node:
        case Scalar(text=text):
            return text
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Mapping(entries=entries):
            return {name: plain(entry.value) for name, entry in entries.items()}
    return None


def parsed(text: str) -> object:
    return plain(parse_yaml(text.encode()))


def test_values_are_what_is_written() -> None:
    assert parsed("{a: no, b: 0777, c: 12:30, d: 2026-01-01, e: 1_000, on: ~, f: '~', g: }") == {
        "a": "no",
        "b": "0777",
        "c": "12:30",
        "d": "2026-01-01",
        "e": "1_000",
        "on": None,
        "f": "~",
        "g": None,
    }


def test_lines_are_counted_from_one() -> None:
    root = parse_yaml(b"# comment\na:\n  b: 1\n  c: [1,\n    2]\n")
    assert isinstance(root, Mapping)
    inner = root.entries["a"].value
    assert isinstance(inner, Mapping)
    assert {name: entry.line for name, entry in inner.entries.items()} == {"b": 3, "c": 4}
    listed = inner.entries["c"].value
    assert isinstance(listed, Sequence)
    assert [item.line for item in listed.items] == [4, 5]


def test_anchors_and_merge_keys() -> None:
    text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\none: {<<: *base, b: 9}\ntwo: {<<: [*base, *more]}\n"
    assert parsed(text) == {
        "base": {"a": "1", "b": "2"},
        "more": {"b": "3", "c": "4"},
        "one": {"b": "9", "a": "1"},
        "two": {"a": "1", "b": "2", "c": "4"},
    }


@pytest.mark.parametrize(
    "reference",
    ["${VAR}", "${VAR:-a, b}", "${VAR:-[x]}", "${A:-${file:b}}", "$${VAR}", "${aws-secret:name#key}"],
)
def test_references_need_no_quotes_anywhere(reference: str) -> None:
    expected = {"a": reference, "b": [reference, "x"], "c": f"pre-{reference}-post"}
    assert parsed(f"{{a: {reference}, b: [{reference}, x], c: pre-{reference}-post}}") == expected
    assert parsed(f"a: {reference}\nb:\n- {reference}\n- x\nc: pre-{reference}-post\n") == expected
    assert parsed(f"a: '{reference}'\nb: ['{reference}', x]\nc: \"pre-{reference}-post\"\n") == expected


def test_what_only_looks_like_a_reference_is_left_alone() -> None:
    assert parsed("a: '${'\nb: 'x } y'\nc: \"${X:-\\u0041}\"\n") == {"a": "${", "b": "x } y", "c": "${X:-A}"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: c: d\n", 2, "mapping values are not allowed"),
        ("a: [1,\n", 1, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: 1\nb: !!binary x\n", 2, "YAML tag"),
        ("a: 1\nb: *nowhere\n", 2, "nowhere"),
        ("a: &a\n  b: *a\n", 2, "inside what it refers to"),
        ("a: 1\n? [x]\n: 2\n", 2, "a key is a text"),
        ("a: 1\n<<: 2\n", 2, "merges a mapping"),
        ("a: 1\nb: \x01\n", 2, "control characters"),
        ("\n" + "[" * 100_000, 2, "nested deeper"),
        ("- " * 100_000, 1, "nested deeper"),
        ("a:\n" + "".join(" " * depth + "b:\n" for depth in range(1, 200)), 50, "nested deeper"),
    ],
)
def test_mistakes_have_a_line(text: str, line: int, message: str) -> None:
    with pytest.raises(YamlMistake, match=message) as caught:
        parse_yaml(text.encode())
    assert caught.value.line == line


def test_other_encodings_are_refused() -> None:
    with pytest.raises(YamlMistake, match="UTF-8") as caught:
        parse_yaml(b"a: 1\nb: \xff\n")
    assert caught.value.line == 2


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert plain(parse_yaml(b"\xef\xbb\xbfa: 1\n")) == {"a": "1"}


def test_duplicates_are_remembered_with_their_lines() -> None:
    root = parse_yaml(b"a: 1\nb: 2\na: 3\n")
    assert isinstance(root, Mapping)
    assert root.duplicates == [("a", 1, 3)]
    assert plain(root) == {"a": "1", "b": "2"}


@given(st.text() | st.text(alphabet="{}[]:,- \n\"'&*!|>${}ab#%@`~<"))
def test_any_text_is_a_tree_or_a_mistake(text: str) -> None:
    with contextlib.suppress(YamlMistake):
        parse_yaml(text.encode("utf-8", "surrogatepass"))
