"""How tables are maintained, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from dagster._utils.schedules import is_valid_cron_schedule
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from influx_lake.config import ConfigurationProblems, Lake, load_lake
from influx_lake.config.maintenance.options import Kind
from influx_lake.config.values.cron import Cron

Read = Callable[[str], Lake]
SOURCES = 'sources: {default: {host: "http://127.0.0.1:1", database: telemetry}}\n'


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str) -> Lake:
        path = tmp_path / "lake.yaml"
        path.write_text(SOURCES + text)
        return load_lake(path)

    return read


def test_tables_are_maintained_where_nothing_is_stated(read: Read) -> None:
    lake = read("measurements: {cpu: }")
    maintenance = lake.measurements[0].maintenance
    assert maintenance is not None
    assert [kind for kind in Kind if maintenance.of(kind) is None] == [Kind.STATISTICS, Kind.RETENTION]
    assert all(lake.operation.maintenance.schedules.of(kind) for kind in Kind)


@pytest.mark.parametrize("off", ["off", "no", "false", "OFF"])
def test_all_of_it_or_a_kind_is_off(read: Read, off: str) -> None:
    lake = read(f"measurements: {{cpu: {{maintenance: {off}}}, mem: {{maintenance: {{compact: {off}}}}}}}")
    cpu, mem = lake.measurements
    assert cpu.maintenance is None
    assert mem.maintenance is not None
    assert mem.maintenance.compact is None
    assert mem.maintenance.expire_snapshots is not None


def test_own_options_are_laid_over_the_defaults_and_those_of_a_rollup_over_the_measurements(read: Read) -> None:
    lake = read(
        "defaults: {maintenance: {compact: {after: 6h, min_input_files: 3}, remove_orphans: off}}\n"
        "measurements:\n"
        "  cpu:\n"
        "    maintenance: {compact: {min_input_files: 9}, statistics: {columns: [host]}}\n"
        "    rollups:\n"
        "      hourly: {every: 1h, maintenance: {compact: {after: 1d}, expire_snapshots: {keep_last: 2}}}\n"
        "      daily: {every: 1d}\n"
        "      alone: {every: 1d, maintenance: off}\n"
    )
    cpu = lake.measurements[0]
    hourly, daily, alone = cpu.rollups
    assert cpu.maintenance is not None
    assert cpu.maintenance.compact is not None
    assert (cpu.maintenance.compact.after, cpu.maintenance.compact.min_input_files) == (timedelta(hours=6), 9)
    assert hourly.maintenance is not None
    assert hourly.maintenance.compact is not None
    assert (hourly.maintenance.compact.after, hourly.maintenance.compact.min_input_files) == (timedelta(days=1), 9)
    assert hourly.maintenance.expire_snapshots is not None
    assert hourly.maintenance.expire_snapshots.keep_last == 2
    assert daily.maintenance is not None
    assert daily.maintenance.remove_orphans is None
    # Its columns are others.
    assert daily.maintenance.statistics is not None
    assert daily.maintenance.statistics.columns == ()
    assert alone.maintenance is None


def test_a_rollup_may_be_maintained_alone(read: Read) -> None:
    lake = read(
        "measurements: {cpu: {maintenance: off, rollups: {a: {every: 1h}, b: {every: 1h, maintenance: {compact: {}}}}}}"
    )
    a, b = lake.measurements[0].rollups
    assert a.maintenance is None
    assert b.maintenance is not None


def test_when_it_is_done(read: Read) -> None:
    lake = read("maintenance: {schedules: {compact: '5 */2 * * *', metadata: off}, timezone: Europe/Berlin}")
    runs = lake.operation.maintenance
    assert (runs.schedules.of(Kind.COMPACT), runs.schedules.of(Kind.METADATA)) == ("5 */2 * * *", None)
    assert runs.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("written", "place", "said"),
    [
        ("measurements: {cpu: {maintenance: {remove_orphans: {older_than: 23h}}}}", "older_than", "'23h' is less than"),
        (
            "measurements: {cpu: {maintenance: {compact: {target_file_size: 1MB, small_file_size: 2MB}}}}",
            "small_file_size",
            "is larger than target_file_size",
        ),
        ("measurements: {cpu: {maintenance: {vacuum: {}}}}", "vacuum", "unknown option"),
        ("maintenance: {schedules: {compact: hourly}}", "compact", "'hourly' is not a schedule of five fields"),
        ("maintenance: {schedules: {compact: '0 0 30 2 *'}}", "compact", "names a day that no such month has"),
        ("maintenance: {schedules: {compact: '0 5-3 * * *'}}", "compact", "has the range 5-3"),
        ("maintenance: {compact: {after: 1h}}", "maintenance", "below `defaults` or below a measurement"),
        ("maintenance: {timezone: Europe/Berln}", "timezone", "Europe/Berlin"),
    ],
)
def test_mistakes(read: Read, written: str, place: str, said: str) -> None:
    with pytest.raises(ConfigurationProblems) as raised:
        read(written)
    (problem,) = raised.value.problems
    assert problem.location[-1] == place
    assert said in problem.message


def test_measurements_that_share_a_table_say_the_same_of_it(read: Read) -> None:
    shared = "metadata_columns: [measurement], table: metrics"
    with pytest.raises(ConfigurationProblems, match="say different things of it in `maintenance`"):
        read(f"measurements: {{cpu: {{{shared}}}, mem: {{{shared}, maintenance: off}}}}")


number = st.integers(0, 70).map(str)
item = st.one_of(
    st.just("*"),
    number,
    st.builds("*/{}".format, number),
    st.builds("{}-{}".format, number, number),
    st.builds("{}-{}/{}".format, number, number, number),
)
fields = st.lists(st.lists(item, min_size=1, max_size=2).map(",".join), min_size=4, max_size=6).map(" ".join)


@given(fields)
@example("20 * * * *")
@example("0 3 * * 0")
@example("0 3 * * 7")
@example("@daily")
@example("0 0 31 4,6 *")
@example("0 0 29 2 *")
@example("59 23 31 12 6")
def test_what_is_a_schedule_here_is_one_for_dagster(text: str) -> None:
    try:
        TypeAdapter(Cron).validate_python(text)
    except ValidationError:
        return
    assert is_valid_cron_schedule(text)
