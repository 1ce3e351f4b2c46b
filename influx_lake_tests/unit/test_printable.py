"""What a terminal gets of names that try to steer it."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.cli.output import add_row, output, plain_table
from influx_lake.config import ConfigurationProblems
from influx_lake.config.report.diagnostics import Place, Problem
from influx_lake.errors import LakeError, SchemaConflict, naming
from influx_lake.printable import printable, printable_json, printable_name

STEERING = "cpu\x1b[31m\r\u202eexe\x9b2J"


@given(st.text())
def test_no_control_or_direction_character_is_left(text: str) -> None:
    left = printable_name(text)
    assert not any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in left)
    assert not any(
        unicodedata.bidirectional(each) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI") for each in left
    )
    assert printable(text).splitlines() == printable(text).split("\n") or text.endswith("\n") or not text


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_reads_back_as_it_was(content: object) -> None:
    text = printable_json(content)
    assert json.loads(text) == content
    assert printable(text) == text


def test_tables_lines_and_notes_show_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with output(as_json=False) as out:
        table = plain_table("measurement")
        add_row(table, STEERING)
        add_row(table, "[red]disk[/red] :smile:")
        out.table(table)
        out.line(f"{STEERING} loaded")
        out.note(f"{STEERING} failed")
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert not set("\x1b\r\u202e\x9b") & set(text)
        assert "cpu\\x1b[31m\\x0d\\u202eexe\\x9b2J" in text
    assert "[red]disk[/red] :smile:" in captured.out


def test_names_in_errors_write_no_lines_of_a_log() -> None:
    name = "cpu\n2026-01-01 ERROR all is lost\x1b[31m\u202e"
    with pytest.raises(LakeError) as raised, naming(name):
        raise SchemaConflict(f"column {name!s} is another", remedy=f"Rename {name}")
    for text in (str(raised.value), raised.value.message, str(raised.value.remedy), str(raised.value.args[0])):
        assert text.isprintable()
        assert "\\x0a2026-01-01 ERROR all is lost\\x1b[31m\\u202e" in text
    assert raised.value.measurement == name
    assert printable_name(name) in str(raised.value)


def test_mistakes_of_a_file_have_a_line_each() -> None:
    problems = [Problem(Place(Path("lake.yaml"), line), (), f"wrong\x1b{line}") for line in (1, 2)]
    assert str(ConfigurationProblems(Path("lake.yaml"), problems)).splitlines()[1:] == [
        "lake.yaml:1: wrong\\x1b1",
        "lake.yaml:2: wrong\\x1b2",
    ]
