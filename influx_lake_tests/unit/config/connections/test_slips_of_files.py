"""Options of files that say nothing that anybody can have meant are refused in their line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.config import load_lake
from influx_lake_tests.unit.config.conftest import LakeWriter

LAKE = """
sources:
  default:
    type: landing_zone
    database: d
    {option}
measurements: {{cpu: }}
"""
PATH = 'path: "./z/{year}"'


def lake(option: str) -> str:
    return LAKE.format(option=option if option.startswith("path") else f"{option}\n    {PATH}")


@pytest.mark.parametrize(
    ("option", "mistake"),
    [
        ('path: "./z/{year:04d}/{month}"', "path: has {year:04d}, and there is no form to choose: write {year}"),
        ('path: "./z/{year}/{month!r}"', "path: has {month!r}, and there is no form to choose: write {month}"),
        ("path: s3:/bucket/{year}", "path: has one slash behind s3: and needs two, s3://"),
        (
            "columns: {cpu: {fields: {time: float}}}",
            "columns.cpu.fields.time: 'time' is what tables call a point's time",
        ),
        ("columns: {cpu: {tags: [time], fields: {v: float}}}", "columns.cpu.tags[0]: 'time' is what tables call"),
        ("columns: {cpu: {fields: {timestamp: float}}}", "columns.cpu.fields.timestamp: 'timestamp' is the column of"),
        ("columns: {cpu: {fields: {name: string}}}", "columns.cpu.fields.name: 'name' is the column of"),
        ("tags: [host, time]", "tags[1]: 'time' is what tables call a point's time"),
        ("staging_keep: 0s", "staging_keep: '0s' is no time at all"),
        ("staging_limit: 999kB", "staging_limit: '999000' is less than 1000000"),
        ('timestamp: "time\\u200b"', "timestamp: holds the character U+200B, which nobody sees"),
        ('measurement_column: "na\\u2060me"', "measurement_column: holds the character U+2060, which nobody sees"),
        ('tags: [host, "ra\\u00adck"]', "tags[1]: holds the character U+00AD, which nobody sees"),
        ('tags: ["host\\u200d"]', "tags[0]: holds the character U+200D, which nobody sees"),
        ('tags: ["\\u3164"]', "tags[0]: holds the character U+3164, which nobody sees"),
        ('columns: {cpu: {fields: {v: float, "w\\u200b": float}}}', "columns.cpu.fields.'w\\u200b': its name holds"),
        ('columns: {"cpu\\ufe0f\\u200b": {fields: {v: float}}}', "its name holds the character U+200B"),
    ],
)
def test_slips(option: str, mistake: str, mistakes_of: Callable[..., list[str]]) -> None:
    [found] = mistakes_of(lake(option), sources=False)
    assert found.startswith("lake.yaml:6: sources.default.")
    assert mistake in found


@pytest.mark.parametrize(
    "option",
    [
        'path: "./z/{{a}}/{year}"',
        "timestamp: time",
        "staging_keep: 1s",
        "staging_limit: 1MB",
        'tags: ["\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f4bb", "❤\ufe0f"]',
    ],
)
def test_no_slips(option: str, write_lake: LakeWriter) -> None:
    load_lake(write_lake(lake(option)))


@pytest.mark.parametrize("name", ["[", "cpu[", "[!]", "a[0-9]b[", "[]"])
def test_a_class_that_is_not_closed(name: str, mistakes_of: Callable[..., list[str]]) -> None:
    [mistake] = mistakes_of(f'measurements:\n  "{name}": {{}}\n')
    assert mistake.startswith("lake.yaml:3: measurements.")
    assert mistake.endswith("opens a class with [ and does not close it: write [[] for the character itself")


@pytest.mark.parametrize("name", ["cpu[0-9]", "[[]", "[]]", "[!]]", "/[a]/"])
def test_classes_that_are_closed(name: str, write_lake: LakeWriter) -> None:
    load_lake(write_lake(f'measurements:\n  "{name}": {{}}\n', sources=True))


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ("write: {commit_timeout: 0s}", "write.commit_timeout: '0s' is no time at all"),
        ("tail: {every: 2d}", "tail.every: 2d is longer than a partition of one day"),
        ("partition: {every: hour}, tail: {every: 61m}", "tail.every: 1h1m is longer than a partition of one hour"),
    ],
)
def test_times_that_make_no_sense(options: str, mistake: str, mistakes_of: Callable[..., list[str]]) -> None:
    [found] = mistakes_of(f"measurements:\n  cpu: {{{options}}}\n")
    assert found.startswith("lake.yaml:3: measurements.cpu.")
    assert mistake in found
