"""The overview of a database tells how each of its measurements is doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.config.sources.discovery import write_discovered
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.assets.overview_page import LISTED, overview_facts
from influx_lake.orchestration.window_metadata import lag
from influx_lake.replication.overview import Overview, Standing
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.orchestration.automated_lake import DAY, START, AutomatedLake

KEY = dg.AssetKey(["influx_lake", "overview", "telemetry"])
Lakes = Callable[..., AutomatedLake]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def lakes(box: Sandbox, tmp_path: Path) -> Iterator[Lakes]:
    with dg.instance_for_test() as instance:

        def make(**options: Any) -> AutomatedLake:
            # Days from the day before yesterday on: two of them are due.
            first = {"partition": {"every": "day", "start": f"{datetime.now(UTC) - 2 * DAY:%Y-%m-%d}"}, "lag": "1s"}
            return AutomatedLake(box, tmp_path, instance, {"defaults": first, **options})

        yield make


def write(lake: AutomatedLake, name: str, *, days_ago: int, points: int = 2) -> None:
    """Write points, a second apart, at the beginning of a day."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - days_ago * DAY
    start = int(midnight.timestamp())
    lines = [f"{name},host=a usage=1.5 {(start + second) * 10**9}" for second in range(points)]
    lake.box.write("telemetry", "\n".join(lines))


def load(lake: AutomatedLake, name: str, *, days_ago: int) -> dict[str, dg.MetadataValue]:
    """Load a day; gives what its event says."""
    key = f"{datetime.now(UTC) - days_ago * DAY:%Y-%m-%d}"
    result = materialize(lake, dg.AssetKey(["telemetry", name]), partition_key=key)
    [event] = result.asset_materializations_for_node(f"telemetry__{name}")
    return dict(event.metadata)


def look(lake: AutomatedLake) -> dict[str, dg.MetadataValue]:
    """What the overview says now."""
    result = materialize(lake, KEY)
    [event] = result.asset_materializations_for_node("influx_lake__overview__telemetry")
    return dict(event.metadata)


def materialize(lake: AutomatedLake, key: dg.AssetKey, **options: Any) -> dg.ExecuteInProcessResult:
    job = lake.repository.get_job("__ASSET_JOB")
    result = job.execute_in_process(instance=lake.instance, asset_selection=[key], **options)
    assert result.success
    return result


def page(found: dict[str, dg.MetadataValue]) -> str:
    return str(found["overview"].value)


def row(found: dict[str, dg.MetadataValue], table: str) -> list[str]:
    """The cells of a measurement."""
    [line] = [line for line in page(found).splitlines() if line.startswith(f"| [{table}]")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def told(found: dict[str, dg.MetadataValue], table: str) -> str:
    """What is said of a measurement in words."""
    lines = [line for line in page(found).splitlines() if line.startswith(f"- [{table}]")]
    return lines[0].partition("): ")[2] if lines else ""


@pytest.mark.slow
def test_measurements_that_are_complete_behind_or_different_are_distinguished(lakes: Lakes) -> None:
    lake = lakes(measurements={"cpu": {}, "mem": {}, "disk": {}})
    for name in ("cpu", "mem"):
        write(lake, name, days_ago=2)
        write(lake, name, days_ago=1)
    write(lake, "disk", days_ago=1)
    for name in ("cpu", "mem"):
        load(lake, name, days_ago=1)
    load(lake, "cpu", days_ago=2)
    write(lake, "mem", days_ago=1, points=5)

    found = look(lake)

    cpu, mem, disk = (row(found, f"telemetry.{name}") for name in ("cpu", "mem", "disk"))
    assert cpu[0] == "[telemetry.cpu](/assets/telemetry/cpu)"
    assert cpu[1:4] == ["complete", "2/2", "4"]
    assert told(found, "telemetry.cpu") == ""
    assert mem[1:3] == ["**behind**", "1/2"]
    assert told(found, "telemetry.mem").endswith("source 5 rows, lake 2; the lake lacks 3 rows: load the window again")
    assert disk[1:] == ["empty", "0/2", "0", "", ""]
    assert "- windows loaded: **3** of 6 due\n- newest windows that differ from the source: **1** of 2" in page(found)
    assert page(found).index("telemetry.mem") < page(found).index("telemetry.disk") < page(found).index("telemetry.cpu")
    figures = {name: found[name].value for name in ("measurements", "windows_due", "windows_missing", "rows")}
    assert figures == {"measurements": 3, "windows_due": 6, "windows_missing": 3, "rows": 6}
    assert (found["compared"].value, found["differing"].value) == (2, 1)
    sizes = (sum(table.stat().st_size for table in Path(lake.folder).rglob("*.parquet")), found["bytes"].value)
    assert sizes[0] == sizes[1]
    assert "- size in the lake: **" in page(found)
    since_midnight = datetime.now(UTC) - datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert found["lag_seconds"].value == pytest.approx(since_midnight.total_seconds(), abs=60)


@pytest.mark.slow
def test_what_the_server_counts_is_beside_the_size_in_the_lake(tmp_path: Path) -> None:
    with Sandbox(data_dir=tmp_path / "server") as box, dg.instance_for_test() as instance:
        first = {"partition": {"every": "day", "start": f"{datetime.now(UTC) - 2 * DAY:%Y-%m-%d}"}, "lag": "1s"}
        prices = tmp_path / "prices.yaml"
        prices.write_text(
            "{date: 2026-01-01, currency: EUR, sources: {default: {storage_gb_month: 2000, origin: o}}, lake: hot, "
            "storage: {hot: {storage_gb_month: 1000, origin: o}}}"
        )
        measurements = {"cpu": {"offload": {"after": "1h"}}}
        sections = {"defaults": first, "measurements": measurements, "cost": {"prices": "prices.yaml"}}
        lake = AutomatedLake(box, tmp_path, instance, sections)
        write(lake, "cpu", days_ago=1)
        box.store.checkpoint()
        load(lake, "cpu", days_ago=1)
        found = look(lake)
        [stored] = (tmp_path / "server").rglob("*.parquet")
        assert found["source_bytes"].value == stored.stat().st_size
        assert ", at the source **" in page(found)
        paid = stored.stat().st_size * 2000 / 10**9
        assert found["source_cost"].value == found["offload_saving"].value == pytest.approx(paid)
        assert found["lake_cost"].value == pytest.approx(found["bytes"].value / 10**6)
        assert "- storage, a month: source **" in page(found)
        prices.unlink()
        assert "source_cost" not in look(lake)


@pytest.mark.slow
def test_what_others_did_to_a_table_is_reported_first(lakes: Lakes) -> None:
    lake = lakes(measurements={"cpu": {}, "mem": {}})
    for name in ("cpu", "mem"):
        for days_ago in (2, 1):
            write(lake, name, days_ago=days_ago)
            load(lake, name, days_ago=days_ago)
    table = open_catalog("lake", lake.lake.catalog.properties()).load_table("telemetry.mem")
    table.manage_snapshots().rollback_to_snapshot(table.metadata.snapshots[0].snapshot_id).commit()

    found = look(lake)

    assert row(found, "telemetry.mem")[1:3] == ["1 missing", "1/2"]
    words = told(found, "telemetry.mem")
    assert "set to another snapshot than that of the last load" in words
    assert "1 window is no longer loaded" in words
    assert "influx-lake replicate mem --missing-only" in words
    assert row(found, "telemetry.cpu")[1:3] == ["complete", "2/2"]
    assert page(found).index("telemetry.mem") < page(found).index("telemetry.cpu")


@pytest.mark.slow
def test_the_page_is_made_while_the_source_is_away_and_says_so(lakes: Lakes, box: Sandbox) -> None:
    lake = lakes()
    write(lake, "cpu", days_ago=1)
    load(lake, "cpu", days_ago=1)
    box.stop()

    found = look(lake)

    assert "The source could not be asked: " in page(found)
    assert row(found, "telemetry.cpu")[1:3] == ["1 missing", "1/2"]
    assert found["compared"].value == 0
    assert str(box.token) not in page(found)


@pytest.mark.slow
def test_a_measurement_that_nobody_writes_any_more_is_reported(lakes: Lakes) -> None:
    lake = lakes(measurements={"cpu": {}, "mem": {}})
    for name in ("cpu", "mem"):
        write(lake, name, days_ago=2)
        load(lake, name, days_ago=2)
    write(lake, "mem", days_ago=1)
    for name in ("cpu", "mem"):
        load(lake, name, days_ago=1)

    found = look(lake)

    assert [row(found, f"telemetry.{name}")[1] for name in ("cpu", "mem")] == ["silent", "complete"]
    assert "- newest windows without rows, here and in the source: **1** of 2" in page(found)


@pytest.mark.slow
def test_links_lead_below_the_path_of_the_webserver(lakes: Lakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/hook")
    lake = lakes(alerts={"webhook": "${HOOK}", "base_url": "https://dagster.example.com/lake/"})

    assert row(look(lake), "telemetry.cpu")[0] == "[telemetry.cpu](/lake/assets/telemetry/cpu)"


def test_what_is_gone_from_its_source_is_marked_and_not_asked_for(lakes: Lakes, tmp_path: Path) -> None:
    write_discovered(tmp_path, {"default": ["cpu", "old"]}, gone={"default": ["old"]})
    lake = lakes(measurements={"*": {}})
    write(lake, "cpu", days_ago=1)

    found = look(lake)

    assert found["gone"].value == 1
    assert row(found, "telemetry.old")[1] == "**gone**"
    assert told(found, "telemetry.old") == "gone from its source; the table stays"


@pytest.mark.slow
def test_a_table_that_cannot_be_read_hides_no_other(lakes: Lakes, tmp_path: Path) -> None:
    lake = lakes()
    for name in ("cpu", "mem"):
        write(lake, name, days_ago=1)
        load(lake, name, days_ago=1)
    catalog = open_catalog("lake", lake.lake.catalog.properties())
    Path(catalog.load_table(("telemetry", "mem")).metadata_location.removeprefix("file://")).write_text("no JSON")

    found = look(lake)

    assert row(found, "telemetry.cpu")[1] == "1 missing"
    assert row(found, "telemetry.mem")[1] == "**unknown**"
    assert "telemetry.mem" in told(found, "telemetry.mem")


def test_a_thousand_measurements_make_a_page_of_bounded_size(lakes: Lakes) -> None:
    lake = lakes(measurements={f"m{number}": {} for number in range(1_000)})
    standings = [Standing(each, due=3, missing=3 if each.name == "m777" else 0) for each in lake.lake.measurements]

    facts = overview_facts(Overview(START, tuple(standings)), "here")

    lines = str(facts["overview"].value).splitlines()
    assert sum(line.startswith("| [") for line in lines) == LISTED
    assert next(line for line in lines if line.startswith("| [")).startswith("| [telemetry.m777]")
    assert lines[-1] == "... and 800 more measurements, with 0 windows missing."
    assert facts["windows_missing"].value == 3


def test_the_schedule_starts_one_run_at_a_time(lakes: Lakes) -> None:
    lake = lakes()
    now = datetime.now(UTC)

    assert len(lake.tick(now, "overview_schedule")) == 1
    lake.instance.create_run_for_job(
        lake.repository.get_job("overview"), status=dg.DagsterRunStatus.STARTED, tags={"dagster/priority": "2"}
    )
    assert lake.tick(now, "overview_schedule") == []


@pytest.mark.parametrize(("automation", "schedules"), [("on", 1), ("declarative", 1), ("off", 0)])
def test_it_is_made_by_itself_unless_automation_is_off(lakes: Lakes, automation: str, schedules: int) -> None:
    lake = lakes(automation=automation)

    names = [schedule.name for schedule in lake.repository.schedule_defs]

    assert names.count("overview_schedule") == schedules
    assert KEY in lake.repository.asset_graph.get_all_asset_keys()


@pytest.mark.slow
def test_the_lag_of_a_window_is_plotted(lakes: Lakes) -> None:
    lake = lakes()
    write(lake, "cpu", days_ago=1)

    facts = load(lake, "cpu", days_ago=1)

    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert facts["lag_seconds"].value == pytest.approx((now - midnight).total_seconds(), abs=60)
    open_window = lake.measurement().scheme.window_at(now)
    assert lag(open_window, now - timedelta(minutes=3), now) == timedelta(minutes=3)
