"""One view over lake and source: every point once, whatever was loaded, and only what the lake lacks is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError, SourceError
from influx_lake.frames import scan
from influx_lake.iceberg.proofs.offloaded import Offloaded, recording
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.integration.cli_lake import CliLake

HOUR = timedelta(hours=1)
HOURS = 6
LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
defaults:
  partition: {{every: hour, start: START}}
  lag: 0s
measurements:
  cpu:
    tail: {{lag: 0s}}
    rename: {{host: hostname}}
    computed: {{double: value * 2}}
"""


class LiveLake(CliLake):
    """A lake of hours, the last of which is open."""

    def write(self, text: str = LAKE) -> None:
        self.start_time = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOURS * HOUR
        self.write_config(text.replace("START", self.hour(0).strftime("%Y-%m-%dT%H:00:00Z")))

    def hour(self, number: int, minutes: int = 0) -> datetime:
        return self.start_time + number * HOUR + timedelta(minutes=minutes)

    def put(self, hour: int, minutes: range, fields: str = "value={}i") -> None:
        """Points of an hour, counted from the first one."""
        start = int((self.hour(hour)).timestamp()) * 10**9
        lines = (
            f"cpu,host=h{minute % 3} {fields.format(minute)} {start + minute * 60 * 10**9 + minute}"
            for minute in minutes
        )
        self.box.write("telemetry", "\n".join(lines))

    def load(self, hour: int) -> None:
        start = self.hour(hour)
        result = self.tell("replicate", "cpu", "--start", start.isoformat(), "--end", (start + HOUR).isoformat())
        assert result.code == 0, result.err

    def live(self, engine: Literal["polars", "duckdb"], *arguments: Any, **options: Any) -> list[dict[str, Any]]:
        if engine == "polars":
            frame = scan("cpu", *arguments, lake=self.config, engine="polars", live=True, **options)
            assert isinstance(frame, pl.LazyFrame)
            return frame.collect().to_arrow().to_pylist()
        with duckdb.connect(":memory:") as connection:
            found = scan(
                "cpu", *arguments, lake=self.config, engine="duckdb", connection=connection, live=True, **options
            )
            return found.to_arrow_table().to_pylist()

    def asked(self, sql: str, *options: str) -> list[dict[str, Any]]:
        result = self.tell("sql", sql, "--json", *(options or ("--live", "--live-since", self.hour(0).isoformat())))
        assert result.code == 0, result.err
        rows: list[dict[str, Any]] = json.loads(result.out)["rows"]
        return rows


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[LiveLake]:
    with Sandbox() as box:
        lake = LiveLake(tmp_path, box, capsys)
        lake.write()
        yield lake


def keys(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((row["time"], row["hostname"], row["value"], row["double"]) for row in rows)


def test_all_doors_give_each_point_once(lake: LiveLake) -> None:
    for hour in range(HOURS + 1):
        lake.put(hour, range(0, 60, 7))
    lake.load(0)
    lake.load(3)
    assert lake.tell("tail", "cpu").code == 0
    both = [keys(lake.live(engine, lake.hour(0))) for engine in ("polars", "duckdb")]
    assert both[0] == both[1]
    assert len(both[0]) == 9 * (HOURS + 1) == len({row[:2] for row in both[0]})
    assert {row[3] for row in both[0]} == {minute * 2 for minute in range(0, 60, 7)}
    assert lake.asked("select count(*) n, count(distinct (time, hostname)) d from cpu") == [{"n": 63, "d": 63}]
    assert lake.asked("select count(*) n from telemetry.cpu where hostname = 'h0'") == [{"n": 21}]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """The windows that sources are asked for."""
    found: list[Window] = []
    really = InfluxDB3Source.read

    def read(source: InfluxDB3Source, schema: MeasurementSchema, window: Window) -> Any:
        found.append(window)
        return really(source, schema, window)

    monkeypatch.setattr(InfluxDB3Source, "read", read)
    return found


def test_only_what_the_lake_lacks_of_the_time_that_is_wanted_is_asked(lake: LiveLake, read: list[Window]) -> None:
    for number in range(HOURS + 1):
        lake.put(number, range(0, 60, 10))
    lake.load(1)
    lake.load(2)
    read.clear()
    for engine in ("polars", "duckdb"):
        # The lake has all of it.
        assert len(lake.live(engine, lake.hour(1), lake.hour(3))) == 12
        assert read == []
        assert len(lake.live(engine, lake.hour(2), lake.hour(3, 30))) == 9
        assert read == [Window(lake.hour(3), lake.hour(3, 30))]
        read.clear()
    # Further conditions on the time narrow it, whoever states them.
    where = f"time >= '{lake.hour(4, 20).isoformat()}' and time < '{lake.hour(4, 40).isoformat()}'"
    assert lake.asked(f"select count(*) n from cpu where {where}") == [{"n": 2}]
    assert read == [Window(lake.hour(4, 20), lake.hour(4, 40))]
    read.clear()
    frame = scan("cpu", lake.hour(0), lake=lake.config, live=True)
    assert read == []
    narrowed = frame.filter(pl.col("time") >= lake.hour(5, 30), pl.col("time") < lake.hour(6)).select("value").collect()
    assert sorted(narrowed["value"]) == [30, 40, 50]
    assert read == [Window(lake.hour(5, 30), lake.hour(6))]


@pytest.mark.slow
def test_a_load_between_asking_and_reading_doubles_nothing(lake: LiveLake) -> None:
    """A frame is of one snapshot, on both sides, whenever it is read."""
    for number in range(3):
        lake.put(number, range(5))
    lake.load(0)
    frame = scan("cpu", lake.hour(0), lake=lake.config, live=True)
    with duckdb.connect(":memory:") as connection:
        rows = scan("cpu", lake.hour(0), lake=lake.config, live=True, engine="duckdb", connection=connection)
        lake.load(1)
        lake.load(2)
        for _ in range(2):
            assert len(frame.collect()) == len(rows.fetchall()) == 15


@pytest.mark.slow
def test_without_a_start_the_newest_windows_are_asked_and_what_is_older_is_reported(
    lake: LiveLake, read: list[Window], caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(HOURS + 1):
        lake.put(number, range(0, 60, 10))
    lake.load(1)
    read.clear()
    assert {row["time"].hour for row in lake.live("polars")} == {lake.hour(n).hour for n in (1, HOURS - 1, HOURS)}
    assert read == [Window(lake.hour(HOURS - 1), lake.hour(HOURS + 1))]
    assert "2 stretches of time" in caplog.text
    result = lake.tell("sql", "select count(*) n from cpu", "--live", "--json")
    assert result.object["rows"] == [{"n": 18}]


@pytest.mark.slow
def test_a_lake_without_the_table_is_all_source(lake: LiveLake) -> None:
    lake.put(2, range(5))
    for engine in ("polars", "duckdb"):
        assert len(lake.live(engine, lake.hour(0), columns=["double"])) == 5
    assert lake.asked("select sum(double)::int s from cpu") == [{"s": 20}]
    assert lake.asked("from cpu where value = 3")[0]["hostname"] == "h0"


@pytest.mark.slow
def test_columns_that_only_the_source_has(lake: LiveLake) -> None:
    lake.put(0, range(2))
    lake.load(0)
    lake.put(1, range(2), 'value={}i,note="new"')
    for engine in ("polars", "duckdb"):
        found = lake.live(engine, lake.hour(0))
        assert sorted((row["value"], row["note"] or "") for row in found) == [(0, ""), (0, "new"), (1, ""), (1, "new")]
        assert sorted(row["note"] or "" for row in lake.live(engine, lake.hour(0), columns=["note"])) == [
            "",
            "",
            "new",
            "new",
        ]
    assert lake.asked("select note, count(*) n from cpu group by all order by all") == [
        {"note": "new", "n": 2},
        {"note": None, "n": 2},
    ]


@pytest.mark.slow
def test_what_a_load_would_keep_or_replace(lake: LiveLake) -> None:
    """Rows of the table in time that is not loaded: a load of an open hour leaves such."""
    text = LAKE.replace("    tail: {{lag: 0s}}\n", "").replace("lag: 0s", "lag: 2h")
    for mode, kept in (("replace", 0), ("upsert", 3)):
        lake.write(text.replace("  cpu:\n", f"  cpu:\n    write: {{{{mode: {mode}}}}}\n    table: cpu_{mode}\n"))
        lake.put(HOURS - 1, range(3))
        lake.load(HOURS - 1)
        lake.box.store.drop_table("telemetry", "cpu")
        lake.put(HOURS - 1, range(3, 7))
        for engine in ("polars", "duckdb"):
            assert len(lake.live(engine, lake.hour(0))) == 4 + kept, (mode, engine)
        assert lake.asked("select count(*) n from cpu") == [{"n": 4 + kept}]
        lake.box.store.drop_table("telemetry", "cpu")


@pytest.mark.slow
def test_time_that_was_off_loaded_is_the_lakes_alone(lake: LiveLake, read: list[Window]) -> None:
    """Also where it does not count as loaded: the source is empty there on purpose."""
    lake.write(LAKE.replace("    tail: {{lag: 0s}}\n", "").replace("lag: 0s", "lag: 2h"))
    lake.put(HOURS - 1, range(3))
    lake.load(HOURS - 1)
    gone = Window(lake.hour(HOURS - 1), lake.hour(HOURS))
    table = lake.catalog.load_table("telemetry.cpu")
    entry = Offloaded(gone, lake.hour(HOURS), 3, "", int(table.metadata.current_snapshot_id or 0), "tag", "source")
    with table.transaction() as transaction:
        transaction.set_properties(recording(table, None, [entry]))
    lake.box.store.drop_table("telemetry", "cpu")
    lake.put(HOURS, range(2))
    read.clear()
    for engine in ("polars", "duckdb"):
        assert len(lake.live(engine, lake.hour(0))) == 5
    assert lake.asked("select count(*) n from cpu") == [{"n": 5}]
    assert not any(window.start < gone.end and gone.start < window.end for window in read)


def test_a_source_that_is_away(lake: LiveLake, caplog: pytest.LogCaptureFixture) -> None:
    lake.put(0, range(4))
    lake.load(0)
    lake.box.faults.update(unavailable=True)
    with pytest.raises(SourceError, match="cpu"):
        scan("cpu", lake.hour(0), lake=lake.config, live=True)
    result = lake.tell("sql", "from cpu", "--live")
    assert result.code == 1
    assert "measurement cpu" in result.err
    for engine in ("polars", "duckdb"):
        found = scan("cpu", lake.hour(0), lake=lake.config, live="prefer", engine=engine)  # type: ignore[call-overload]
        assert len(found.collect() if engine == "polars" else found.fetchall()) == 4
    assert "only what the lake holds is read" in caplog.text
    assert lake.asked("select count(*) n from cpu", "--prefer-live") == [{"n": 4}]
    # What the lake holds needs no source.
    assert len(scan("cpu", lake.hour(0), lake.hour(1), lake=lake.config, live=True).collect()) == 4


@pytest.mark.slow
def test_a_source_that_breaks_off_is_reported_as_it_is(lake: LiveLake) -> None:
    lake.put(0, range(60))
    lake.box.faults.update(fail_after_rows=10)
    result = lake.tell("sql", "select sum(value) from cpu", "--live", "--live-since", lake.hour(0).isoformat())
    assert result.code == 1
    assert "measurement cpu" in result.err
    assert "DuckDB" not in result.err
    failed = lake.tell("sql", "from cpu", "--json", "--live", "--live-since", lake.hour(0).isoformat())
    assert failed.object["error"]["type"] == "WindowInterrupted"


@pytest.mark.slow
def test_rows_that_go_to_the_quarantine_are_left_out(lake: LiveLake) -> None:
    lake.write(LAKE.replace("    computed:", "    types: {{note: long}}\n    on_cast_error: quarantine\n    computed:"))
    lake.put(1, range(3), 'value={}i,note="12"')
    lake.put(2, range(3), 'value={}i,note="many"')
    for engine in ("polars", "duckdb"):
        assert [row["note"] for row in lake.live(engine, lake.hour(0))] == [12, 12, 12]


@pytest.mark.slow
def test_measurements_of_one_table(lake: LiveLake) -> None:
    text = LAKE.replace("  lag: 0s\n", "  lag: 0s\n  metadata_columns: [measurement]\n")
    lake.write(text.replace("  cpu:\n", "  mem: {{table: all}}\n  cpu:\n    table: all\n"))
    for number in (0, 1):
        lake.put(number, range(5))
    lake.box.write("telemetry", f"mem,host=a used=1.5 {int(lake.hour(0, 5).timestamp()) * 10**9}")
    lake.load(0)
    assert len(lake.live("polars", lake.hour(0))) == len(lake.live("duckdb", lake.hour(0))) == 10
    assert lake.asked('select measurement m, count(*) n from "all" group by m order by m') == [
        {"m": "cpu", "n": 10},
        {"m": "mem", "n": 1},
    ]
    assert lake.asked("select count(*) n, sum(used) u from mem") == [{"n": 1, "u": 1.5}]
    with pytest.raises(ConfigurationError, match="several measurements: "):
        scan("telemetry.all", lake=lake.config, live=True)


@pytest.mark.parametrize("options", [{"live": "always"}, {"live": True, "as_of": "2026-01-01"}])
def test_what_cannot_be_meant_is_refused(lake: LiveLake, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="live"):
        scan("cpu", lake=lake.config, **options)
    for arguments in (("--live", "--as-of", "2026-01-01"), ("--live-since", "2026-01-01")):
        assert lake.tell("sql", "select 1", *arguments).code == 2


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, HOURS), st.integers(0, 59)),
        st.tuples(st.just("load"), st.integers(0, HOURS), st.just(0)),
        st.tuples(st.just("tail"), st.just(0), st.just(0)),
    ),
    min_size=3,
    max_size=7,
)


@pytest.mark.slow
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_at_any_moment_every_point_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], actions: list[tuple[str, int, int]]
) -> None:
    """Points come where nothing was loaded or tailed yet; in between, any hours are loaded, and the open one tailed."""
    with Sandbox() as box:
        lake = LiveLake(tmp_path_factory.mktemp("lake"), box, capsys)
        lake.write()
        lake.put(0, range(1))
        engines: tuple[Literal["polars"], Literal["duckdb"]] = ("polars", "duckdb")
        points, closed, tailed = {(0, 0)}, set[int](), 0
        for action, number, minute in actions:
            if action == "put" and number not in closed and (number < HOURS or minute > tailed):
                lake.put(number, range(minute, minute + 1))
                points.add((number, minute))
            elif action == "load":
                lake.load(number)
                # Of the open hour, the load counts until now.
                closed |= {number} if number < HOURS else set()
                tailed = 60 if number == HOURS else tailed
            elif action == "tail":
                assert lake.tell("tail", "cpu").code == 0
                tailed = 60
            wanted = sorted((lake.hour(*each), each[1]) for each in points)
            engine = engines[len(points) % 2]
            assert sorted((row["time"], row["value"]) for row in lake.live(engine, lake.hour(0))) == wanted
            assert lake.asked("select count(*) n from cpu") == [{"n": len(points)}]
