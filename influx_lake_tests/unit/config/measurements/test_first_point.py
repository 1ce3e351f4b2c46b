"""`partition.start: first_point`: partitions begin where the source's oldest point is, once that is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.cli.entry import run
from influx_lake.config import ConfigurationProblems, Discovered, Lake, load_lake, write_discovered
from influx_lake.config.sources.discovery import STATE
from influx_lake.config.values.windows import EPOCH, Every, window_of

FIRST = datetime(2025, 3, 5, 17, 30, 0, 123456, UTC)
TEXT = """
    measurements:
      cpu: {{partition: {{start: first_point{more}}}, table: processors}}
      "http_*": {{partition: {{start: first_point}}}}
      mem: {{partition: {{start: 2026-02-01}}}}
"""
Loader = Callable[[str], Lake]


def known(lake: Lake, *names: str) -> Lake:
    write_discovered(lake.root, {"default": names}, first_points={("default", name): FIRST for name in names})
    return load_lake(lake.path)


def test_a_measurement_is_in_the_lake_when_its_first_point_is_known(lake_of: Loader) -> None:
    lake = lake_of(TEXT.format(more=""))
    assert [each.key for each in lake.measurements] == ["mem"]
    lake = known(lake, "cpu", "http_a")
    found = {each.key: each for each in lake.measurements}
    assert {each.table for each in lake.measurements} == {"mem", "processors", "http_a"}
    assert found["cpu"].scheme.start == found["http_a"].scheme.start == datetime(2025, 3, 5, tzinfo=UTC)
    assert found["mem"].scheme.start == datetime(2026, 2, 1, tzinfo=UTC)
    assert lake.find("processors" if "processors" in found else "cpu").name == "cpu"


def test_its_name_is_no_pattern(lake_of: Loader) -> None:
    lake = lake_of('measurements: {stars: {measurement: "a*", partition: {start: first_point}}}')
    lake = known(lake, "a*", "ab")
    assert [(each.key, each.name) for each in lake.measurements] == [("stars", "a*")]


def test_one_that_is_not_enabled_is_nobodys(lake_of: Loader) -> None:
    text = (
        'measurements: {cpu: {enabled: false, partition: {start: first_point}}, "*": {partition: {start: first_point}}}'
    )
    assert [each.name for each in known(lake_of(text), "cpu", "mem").measurements] == ["mem"]


@pytest.mark.parametrize("start", ["first_point", "2026-01-01"])
def test_one_measurement_may_have_several_tables(lake_of: Loader, start: str) -> None:
    second = f"cpu_raw: {{measurement: cpu, partition: {{start: {start}}}}}"
    lake = known(lake_of(f'measurements: {{cpu: {{partition: {{start: first_point}}}}, {second}, "*": {{}}}}'), "cpu")
    assert {each.key for each in lake.measurements} == {"cpu", "cpu_raw"}
    lake = known(lake_of(f'measurements: {{{second}, cpu: {{partition: {{start: first_point}}}}, "*": {{}}}}'), "cpu")
    assert {each.key for each in lake.measurements} == {"cpu", "cpu_raw"}


def test_it_may_be_a_default_that_a_date_overrides(lake_of: Loader) -> None:
    lake = lake_of(
        "defaults: {partition: {start: first_point}}\nmeasurements: {cpu: {}, mem: {partition: {start: 2026-01-02}}}"
    )
    assert [each.name for each in lake.measurements] == ["mem"]
    assert [each.name for each in known(lake, "cpu").measurements] == ["mem", "cpu"]


def test_a_known_first_point_moves_back_only() -> None:
    place = ("default", "cpu")
    known = Discovered().updated({}, first_points={place: FIRST})
    known = known.updated({}, first_points={place: FIRST + timedelta(days=9)})
    assert known.first_points == {place: FIRST}
    known = known.updated({}, first_points={place: FIRST - timedelta(days=9), ("b", "cpu"): FIRST})
    assert known.first_points == {place: FIRST - timedelta(days=9), ("b", "cpu"): FIRST}
    assert Discovered.of_text(known.as_text()) == known


@given(
    st.integers(-9_000_000_000, 9_000_000_000).map(lambda seconds: EPOCH + timedelta(seconds=seconds)),
    st.sampled_from([Every.DAY, Every.WEEK, Every.MONTH]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles"]),
)
def test_the_first_partition_holds_the_first_point(first: datetime, every: Every, zone: str) -> None:
    from influx_lake.config import InfluxDB3Config
    from influx_lake.config.measurements.options import MeasurementOptions
    from influx_lake.config.measurements.resolution import resolve_measurement

    options = MeasurementOptions.model_validate(
        {"partition": {"start": "first_point", "every": every, "timezone": zone}}
    )
    config = InfluxDB3Config(host="localhost", database="telemetry")
    scheme = resolve_measurement("cpu", "cpu", options, "default", config, (), first).scheme
    assert scheme.start == window_of(every, zone, first).start
    assert scheme.start <= first < scheme.window_at(scheme.start).end


@pytest.mark.parametrize("text", ["[]", '{"default": 1}', '{"first_points": {"default": {"cpu": "soon"}}}', "no json"])
def test_a_damaged_file_is_named(lake_of: Loader, tmp_path: Path, text: str) -> None:
    (tmp_path / STATE).parent.mkdir()
    (tmp_path / STATE).write_text(text)
    with pytest.raises(ConfigurationProblems, match=r"measurements\.json does not hold"):
        lake_of(TEXT.format(more=""))


def test_a_file_from_before_there_were_first_points_is_read(lake_of: Loader, tmp_path: Path) -> None:
    (tmp_path / STATE).parent.mkdir()
    (tmp_path / STATE).write_text('{"default": ["disk", "http_a"]}')
    lake = lake_of('measurements: {disk: {partition: {start: first_point}}, "http_*": {}}')
    assert [each.name for each in lake.measurements] == ["http_a"]


@pytest.mark.parametrize(("every", "is_refused"), [("hour", True), ("day", True), ("week", False), ("month", False)])
def test_a_clock_that_was_not_set_makes_no_thousands_of_partitions(
    every: str, is_refused: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "points.lp").write_text(f"cpu v=1 1700000000\ncpu v=2 {10**18}\nmem v=1 {17 * 10**17}\n")
    lake = tmp_path / "lake.yaml"
    text = (
        "sources: {default: {type: line_protocol, path: points.lp, database: d}}\n"
        f"defaults: {{partition: {{every: {every}, start: first_point}}}}\nmeasurements: {{mem: {{}}, 'c*': {{}}}}\n"
    )
    lake.write_text(text)

    assert run(["discover", "-c", str(lake), "--json"]) == 0

    captured = capsys.readouterr()
    assert {each.name for each in load_lake(lake).measurements} == ({"mem"} if is_refused else {"cpu", "mem"})
    assert [each["measurement"] for each in json.loads(captured.out)["set_aside"]] == (["cpu"] if is_refused else [])
    if is_refused:
        days = (datetime.now(UTC) - EPOCH).days
        assert "left out: cpu of default: the oldest point is of 1970-01-01T00:00:01.700000Z" in captured.err
        assert f"makes {days + 1:,}, more than 7,500. Set its `partition.start`" in captured.err or every == "hour"
        lake.write_text(text.replace("'c*': {}", "cpu: {partition: {start: 2026-01-01}}"))
        assert {each.name for each in load_lake(lake).measurements} == {"cpu", "mem"}
        assert run(["discover", "-c", str(lake), "--json"]) == 0
        assert "left out" not in capsys.readouterr().err


def test_an_early_point_that_comes_later_leaves_the_partitions_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "points.lp").write_text("cpu v=1 1772323200000000000\n")
    lake = tmp_path / "lake.yaml"
    lake.write_text(
        "sources: {default: {type: line_protocol, path: points.lp, database: d}}\n"
        "measurements: {cpu: {partition: {start: first_point}}}\n"
    )
    for points, is_told in (("", False), ("cpu v=1 1\n", True)):
        with (tmp_path / "points.lp").open("a") as file:
            file.write(points)
        assert run(["discover", "-c", str(lake)]) == 0
        assert ("left out: cpu of default: the oldest point" in capsys.readouterr().err) == is_told
        [cpu] = load_lake(lake).measurements
        assert cpu.scheme.start == datetime(2026, 3, 1, tzinfo=UTC)


def test_mistakes_are_found_before_it_is_known(mistakes_of: Callable[[str], list[str]]) -> None:
    [mistake] = mistakes_of(TEXT.format(more=", every: hour, timezone: Europe/Berlin"))
    assert "hours are cut in UTC" in mistake
    [mistake] = mistakes_of("measurements: {cpu: {partition: {start: first_points}}}")
    assert "write 2026-01-31, or 2026-01-31T06:00:00Z, or first_point" in mistake
    [mistake] = mistakes_of("defaults: {partition: {start: first_point}}\nmeasurements: {cpu: {}, mem: {table: cpu}}")
    assert "give one of them a `table` of its own" in mistake
