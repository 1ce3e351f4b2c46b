"""A window from a sandbox to a table, over real Flight."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import InfluxDB3Config, Measurement, OnShrink, Secret
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.errors import (
    AuthenticationFailed,
    DatabaseNotFound,
    LakeError,
    MeasurementNotFound,
    SchemaConflict,
    SourceUnavailable,
    StreamBroken,
    WindowShrank,
)
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.scan.reader import count_rows, read_windows
from influx_lake.iceberg.window_load import Progress
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.status import measurement_status
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source

SCHEME = Scheme(Every.DAY, parse_moment("2026-01-01"))
START_NS = int(SCHEME.start.timestamp()) * 10**9
DAY_NS = 86_400 * 10**9


def day(number: int) -> Window:
    return SCHEME.window_at(SCHEME.start + timedelta(days=number))


def measurement(name: str, **options: object) -> Measurement:
    return Measurement(
        key=name,
        name=name,
        source="default",
        database="telemetry",
        namespace=("telemetry",),
        table="".join(letter if letter.isalnum() else "_" for letter in name),
        scheme=SCHEME,
        **options,  # type: ignore[arg-type]
    )


CPU = measurement("cpu")


@dataclass
class Lake:
    box: Sandbox
    source: InfluxDB3Source
    catalog: Catalog

    def fill(self, number: int, points: int, name: str = "cpu", fields: str = "value={i}") -> None:
        step = DAY_NS // points // 1000 * 1000
        lines = (
            f"{name},host=h{i % 3} {fields.format(i=i)} {START_NS + number * DAY_NS + i * step}" for i in range(points)
        )
        self.box.write("telemetry", "\n".join(lines))

    def load(self, number: int, of: Measurement = CPU) -> WindowResult:
        return replicate_window(self.source, self.catalog, of, day(number), run_id="test")

    def rows(self, number: int, of: Measurement = CPU) -> pa.Table:
        table = self.catalog.load_table(of.identifier)
        return read_windows(table, [day(number)]).read_all().sort_by([("time", "ascending"), ("host", "ascending")])


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"}
    with Sandbox() as box:
        source = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=Secret(str(box.token))))
        yield Lake(box, source, open_catalog("lake", properties))
        source.close()


def test_the_table_holds_what_the_source_has(lake: Lake) -> None:
    lake.fill(0, 500, fields='value={i}.5,count={i}i,big=18446744073709551615u,up=true,note="n{i}"')
    result = lake.load(0)
    assert (result.rows, result.previous_rows, result.total_rows) == (500, 0, 500)
    rows = lake.rows(0).to_pylist()
    assert len(rows) == 500
    assert rows[7] == {
        "time": day(0).start + timedelta(microseconds=DAY_NS // 500 // 1000 * 7),
        "host": "h1",
        "big": 18446744073709551615,
        "count": 7,
        "note": "n7",
        "up": True,
        "value": 7.5,
    }
    assert [column.name for column in result.schema.columns] == ["time", "host", "big", "count", "note", "up", "value"]
    assert result.preview.num_rows == 10


def test_again_with_late_points_a_new_field_and_a_changed_value(lake: Lake) -> None:
    lake.fill(0, 100)
    lake.load(0)
    lake.fill(0, 100, fields="value={i}.25,extra={i}i")
    lake.box.write("telemetry", f"cpu,host=late value=1 {START_NS + 5000}")
    assert lake.load(0).rows == 101
    assert lake.load(0).rows == 101
    rows = lake.rows(0)
    assert rows.num_rows == 101
    assert rows.column("extra").null_count == 1
    assert rows.column("value")[50].as_py() % 1 == 0.25


@pytest.mark.parametrize("name", ['o\'brien "x"', "a.b", "Größe", "with space", "select"])
def test_odd_names(lake: Lake, name: str) -> None:
    escaped = name.replace(" ", "\\ ")
    lake.fill(0, 10, name=escaped, fields="a\\ field={i},o'brien\"=1i")
    assert lake.load(0, measurement(name)).rows == 10


def test_an_empty_window(lake: Lake) -> None:
    lake.fill(0, 10)
    result = lake.load(3)
    assert (result.empty, result.rows, result.first_time) == (True, 0, None)
    status = measurement_status(lake.catalog, CPU, day(4).end)
    assert (status.loaded, len(status.expected), status.rows) == (1, 4, 0)


def test_the_open_window_stays_due(lake: Lake) -> None:
    now = datetime.now(UTC)
    today = SCHEME.window_at(now)
    minute_ago = int((now - timedelta(minutes=1)).timestamp()) * 10**9
    lake.box.write("telemetry", f"cpu,host=a value=1 {minute_ago}")
    # Around midnight the point of a minute ago is yesterday's.
    window = SCHEME.window_at(now - timedelta(minutes=1))
    assert replicate_window(lake.source, lake.catalog, CPU, window, run_id="test").rows == 1
    status = measurement_status(lake.catalog, CPU, today.end + timedelta(days=1))
    assert window in status.missing


def test_status_tells_the_gaps_and_the_watermark(lake: Lake) -> None:
    lake.fill(0, 10)
    before = measurement_status(lake.catalog, CPU, day(4).end)
    assert (before.table_exists, before.loaded, before.watermark) == (False, 0, None)
    for number in (0, 1, 3):
        lake.load(number)
    status = measurement_status(lake.catalog, CPU, day(4).end + timedelta(hours=1))
    assert [window.start.day for window in status.missing] == [3, 5]
    assert (status.watermark, status.lag) == (day(1).end, timedelta(days=3, hours=1))
    assert status.last_snapshot_at is not None
    assert datetime.now(UTC) - status.last_snapshot_at < timedelta(minutes=5)


def test_history_does_not_vanish_because_the_source_forgot_it(lake: Lake) -> None:
    lake.fill(0, 10)
    lake.load(0)
    lake.box.faults.hidden_before = START_NS + 5 * (DAY_NS // 10)
    with pytest.raises(WindowShrank, match=r"only 5 rows .* holds 10") as raised:
        lake.load(0)
    assert "measurement cpu, window 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z" in str(raised.value)
    lake.box.faults.hidden_before = START_NS + DAY_NS
    with pytest.raises(WindowShrank, match="no rows"):
        lake.load(0)
    assert lake.rows(0).num_rows == 10
    believing = replace(CPU, on_shrink=OnShrink.REPLACE)
    assert lake.load(0, believing).previous_rows == 10
    assert lake.rows(0).num_rows == 0


def test_every_failure_leaves_the_table_and_says_what_it_was(lake: Lake) -> None:
    lake.fill(0, 50_000)
    lake.load(0)
    table = lake.catalog.load_table(CPU.identifier)

    def fails_with(kind: type[LakeError], source: InfluxDB3Source, of: Measurement = CPU) -> None:
        with pytest.raises(kind) as raised:
            replicate_window(source, lake.catalog, of, day(0), run_id="test")
        assert f"measurement {of.name}" in str(raised.value)
        assert str(lake.box.token) not in str(raised.value)
        assert lake.catalog.load_table(CPU.identifier).metadata_location == table.metadata_location

    token = Secret(str(lake.box.token))
    fails_with(
        AuthenticationFailed,
        InfluxDB3Source(InfluxDB3Config(host=lake.box.url, database="telemetry", token=Secret("apiv3_wrong"))),
    )
    fails_with(DatabaseNotFound, InfluxDB3Source(InfluxDB3Config(host=lake.box.url, database="elsewhere", token=token)))
    fails_with(MeasurementNotFound, lake.source, measurement("nothing"))
    lake.box.faults.fail_after_rows = 20_000
    fails_with(StreamBroken, lake.source)
    lake.box.faults.fail_after_rows = None
    lake.box.faults.drop_after_rows = 20_000
    fails_with(StreamBroken, InfluxDB3Source(InfluxDB3Config(host=lake.box.url, database="telemetry", token=token)))
    lake.box.faults.drop_after_rows = None
    lake.box.faults.unavailable = True
    fails_with(SourceUnavailable, lake.source)
    lake.box.faults.unavailable = False
    assert lake.load(0).rows == 50_000


def test_a_field_of_another_type_than_the_table_has(lake: Lake) -> None:
    lake.fill(0, 10)
    lake.load(0)
    lake.box.write("other", f'cpu,host=a value="text" {START_NS}')
    other = InfluxDB3Source(InfluxDB3Config(host=lake.box.url, database="other", token=Secret(str(lake.box.token))))
    with pytest.raises(SchemaConflict, match="'value' is string in the source and double in the table"):
        replicate_window(other, lake.catalog, replace(CPU, adopt=True), day(0), run_id="test")


def test_one_window_from_several_threads(lake: Lake) -> None:
    lake.fill(0, 2_000)
    failures: list[BaseException] = []

    def load() -> None:
        try:
            lake.load(0)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert count_rows(lake.catalog.load_table(CPU.identifier), day(0)) == 2_000


def test_progress_is_reported(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influx_lake.iceberg.window_load.PROGRESS_SECONDS", 0.0)
    lake.fill(0, 20_000)
    told: list[Progress] = []
    replicate_window(lake.source, lake.catalog, CPU, day(0), run_id="test", on_progress=told.append)
    assert [progress.rows for progress in told] == sorted({progress.rows for progress in told})
    assert told[-1].rows == 20_000
    assert told[-1].rows_per_second > 0
