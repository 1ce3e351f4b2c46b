"""A table that was dropped is listed by InfluxDB 3 for a while, under another name: it is no measurement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.cli.entry import run
from influx_lake.config import InfluxDB3Config, load_lake
from influx_lake.config.connections import Protocol
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.listing import Listing, is_dropped

START = datetime(2026, 1, 1, tzinfo=UTC)
START_NS = 1_767_225_600 * 10**9
DAY = Window(START, START + timedelta(days=1))
LAKE = """\
sources:
  default: {{host: "{url}", database: telemetry, token: "${{BOX_TOKEN}}", retry: {{budget: 0s}}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults: {{partition: {{start: 2026-01-01}}}}
measurements:
{measurements}
"""


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    monkeypatch.chdir(tmp_path)
    with Sandbox() as box:
        monkeypatch.setenv("BOX_TOKEN", str(box.token))
        box.write(
            "telemetry", f"cpu,host=a v=1 {START_NS}\nmem v=2 {START_NS}\nold v=3 {START_NS}\nold v=4 {START_NS + 1}"
        )
        yield box


@pytest.fixture
def dropped(box: Sandbox) -> str:
    """What the table `old` is called now that it was dropped."""
    box.store.drop_table("telemetry", "old")
    [name] = [name for name in box.store.database("telemetry").tables if name.startswith("old-")]
    return name


def lake(box: Sandbox, measurements: str = '  "*": {}') -> Path:
    path = Path("lake.yaml")
    path.write_text(LAKE.format(url=box.url, measurements=measurements))
    return path


def said(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    code = run(list(command))
    captured = capsys.readouterr()
    assert code == 0, captured
    return captured.out


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("before_3_3", [False, True])
def test_a_source_lists_it_apart_and_reads_it(protocol: Protocol, before_3_3: bool, box: Sandbox, dropped: str) -> None:
    with closing(
        InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=box.token, protocol=protocol))
    ) as source:
        source._before_3_3 = before_3_3
        assert source.measurements() == ["cpu", "mem"]
        assert source.listing() == Listing(("cpu", "mem"), (dropped,))
        assert source.count(dropped, DAY) == 2


def test_init_leaves_it_out_and_says_so(box: Sandbox, dropped: str, capsys: pytest.CaptureFixture[str]) -> None:
    token = Path("token")
    token.write_text(str(box.token))
    command = ["init", "--host", box.url, "--database", "telemetry", "--token-file", "token", "--start", "2026-01-01"]
    told = said(capsys, *command)
    assert f"1 dropped table left out: {dropped}" in told
    assert [each.name for each in load_lake().measurements] == ["cpu", "mem"]
    assert json.loads(said(capsys, *command, "--force", "--json"))["dropped"] == [dropped]


def test_patterns_leave_it_out_and_discover_and_check_say_so(
    box: Sandbox, dropped: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lake(box)
    assert f"1 dropped table left out: {dropped}" in said(capsys, "discover")
    assert [each.name for each in load_lake(path).measurements] == ["cpu", "mem"]
    assert f"2 measurements, 1 dropped table left out: {dropped}" in said(capsys, "check")
    assert json.loads(said(capsys, "discover", "--json"))["sources"]["default"]["dropped"] == [dropped]


def test_the_sensor_and_the_overview_leave_it_out_and_say_so(box: Sandbox, dropped: str) -> None:
    path = lake(box)
    with dg.DagsterInstance.ephemeral() as instance:
        told = tick(path, instance)
        assert "appeared: telemetry.cpu, telemetry.mem." in told
        assert f"default: 1 dropped table left out: {dropped}" in told
        assert f"nothing new in 2 measurements; default: 1 dropped table left out: {dropped}" in tick(path, instance)
        key = dg.AssetKey(["influx_lake", "overview", "telemetry"])
        job = build_definitions(load_lake(path)).resolve_implicit_global_asset_job_def()
        [event] = job.execute_in_process(asset_selection=[key], instance=instance).get_asset_materialization_events()
        page = event.materialization.metadata["overview"].value
        assert f"1 dropped table left out: {dropped}" in page
        assert "2 measurements" in page


def test_one_that_is_named_is_loaded(box: Sandbox, dropped: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = lake(box, f'  "*": {{}}\n  {dropped}: {{table: kept}}')
    assert "left out" not in said(capsys, "discover")
    assert sorted(each.table for each in load_lake(path).measurements) == ["cpu", "kept", "mem"]
    assert "left out" not in said(capsys, "check")
    said(capsys, "replicate", dropped, "--start", "2026-01-01", "--end", "2026-01-02")
    catalog = open_catalog("lake", load_lake(path).catalog.properties())
    assert catalog.load_table(("telemetry", "kept")).scan().to_arrow()["v"].to_pylist() == [3.0, 4.0]
    with dg.DagsterInstance.ephemeral() as instance:
        assert "vanished" not in tick(path, instance)
    assert {each.name for each in load_lake(path).present} == {"cpu", "mem", dropped}


def test_in_many_databases_one_that_is_named_is_loaded_too(
    box: Sandbox, dropped: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lake(box, f'  "*": {{}}\n  {dropped}: {{}}')
    path.write_text(path.read_text().replace("database: telemetry", 'database: "tele*"'))
    said(capsys, "discover")
    assert sorted(each.name for each in load_lake(path).measurements) == ["cpu", "mem", dropped]


def tick(path: Path, instance: dg.DagsterInstance) -> str:
    definitions = build_definitions(load_lake(path))
    repository = definitions.get_repository_def()
    sensor = repository.get_sensor_def("discovery")
    with dg.build_sensor_context(instance, repository_def=repository, resources=definitions.resources) as context:
        return str(sensor.evaluate_tick(context).skip_message)


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("cpu-20261129T101112", True),
        ("a-b-20260101T000000", True),
        ("line\nbreak-20260101T235959", True),
        ("cpu-20261329T101112", False),
        ("cpu-20261129T241112", False),
        ("cpu-20261129T10111", False),
        ("cpu_20261129T101112", False),
        ("-20261129T101112", False),
        ("20261129T101112", False),
        ("cpu-20261129T101112 ", False),
        ("cpu-\N{ARABIC-INDIC DIGIT TWO}0261129T101112", False),
        ("cpu-20261129t101112", False),
    ],
)
def test_which_names_are_those_of_dropped_tables(name: str, dropped: bool) -> None:
    assert is_dropped(name) is dropped


def test_of_many_the_first_are_reported() -> None:
    listing = Listing.of_influxdb3(f"m{number:02}-20260101T000000" for number in range(13))
    told = listing.left_out({"m00-20260101T000000"})
    assert told.startswith("12 dropped tables left out: m01-20260101T000000, ")
    assert told.endswith("m10-20260101T000000 and 2 more")
    assert listing.wanted({"m00-20260101T000000", "x"}) == ("m00-20260101T000000",)
