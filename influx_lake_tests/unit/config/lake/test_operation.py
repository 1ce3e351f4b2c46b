"""What starts runs, and how much happens at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from influx_lake.config import Automation, ConfigurationProblems, Lake, lake_of, load_lake
from influx_lake.config.values.windows import Every

SOURCES = 'sources: {default: {host: "http://127.0.0.1:1", database: telemetry}}\n'


@pytest.fixture
def read(tmp_path: Path):  # type: ignore[no-untyped-def]
    def read(text: str) -> Lake:
        path = tmp_path / "lake.yaml"
        path.write_text(SOURCES + text)
        return load_lake(path)

    return read


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", Automation.ON),
        ("automation: on", Automation.ON),
        ("automation: true", Automation.ON),
        ("automation: declarative", Automation.DECLARATIVE),
        ("automation: off", Automation.OFF),
        ("automation: 'No'", Automation.OFF),
        ("automation:", Automation.ON),
        ("automation: ${NO_SUCH_VARIABLE:-off}", Automation.OFF),
    ],
)
def test_automation_is_on_unless_configured_otherwise(read, written: str, meant: Automation) -> None:  # type: ignore[no-untyped-def]
    assert read(written).operation.automation is meant


def test_a_component_may_say_it_too(tmp_path: Path) -> None:
    sections = {"sources": {"default": {"host": "http://h:1", "database": "d"}}, "automation": False}
    assert lake_of(sections, tmp_path / "defs.yaml").operation.automation is Automation.OFF


def test_what_a_run_does_at_once_and_what_pools_allow(read) -> None:  # type: ignore[no-untyped-def]
    operation = read("run: {parallel_windows: 4, memory: 2GB}\npools: {influxdb: 4, table: 1, sources: {default: 2}}")
    operation = operation.operation
    assert (operation.run.parallel_windows, operation.run.memory) == (4, 2_000_000_000)
    assert (operation.pools.influxdb, operation.pools.table, operation.pools.sources) == (4, 1, {"default": 2})


def test_every_mistake_has_its_line(read) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigurationProblems) as raised:
        read(
            "automation: declartive\nrun: {parallel_windows: 0, memory: much}\npools: {table: 0, sources: {defalt: 1}}"
        )
    assert [(problem.place.line, problem.message.split(":")[0]) for problem in raised.value.problems] == [
        (2, "'declartive' is not one of on, declarative, off (did you mean declarative?)"),
        (3, "'0' is less than 1"),
        (3, "'much' is not an amount of data"),
        (4, "'0' is less than 1"),
        (4, "is not one of the sources (did you mean default?)"),
    ]


def test_a_run_takes_as_many_windows_as_is_said_or_as_suits_their_length(read) -> None:  # type: ignore[no-untyped-def]
    cadences = ", ".join(f"{every}: {{partition: {{every: {every}}}}}" for every in Every)
    lake = read(f"measurements: {{{cadences}, own: {{windows_per_run: 3}}}}")
    assert {each.key: each.windows_per_run for each in lake.measurements} == {
        "hour": 48,
        "day": 30,
        "week": 8,
        "month": 3,
        "own": 3,
    }
