"""`influx-lake cost`: quantities by the source's own statistics and the tables' metadata; money by a price table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from influx_lake.cost.prices import load_prices
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import FIRST_DAY_NS, LAKE, SQLITE, CliLake
from testbed.influxdb_servers import DATABASE, influxdb1

EXAMPLE = Path(__file__).parents[3] / "examples" / "cost" / "prices.yaml"
PRICES: dict[str, Any] = {
    "date": "2026-02-03",
    "currency": "EUR",
    "sources": {"default": {"storage_gb_month": 1000, "queries_1000": 1, "fixed_month": 5, "origin": "a contract"}},
    "storage": {
        "hot": {"storage_gb_month": 100, "put_1000": 10, "origin": "a page"},
        "cold": {"storage_gb_month": 1, "origin": "a page"},
    },
    "lake": "hot",
    "scans": {"engine": {"scan_tb": 5_000_000, "origin": "a page"}},
    "one_off": 3,
}
GB = Decimal(10**9)


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox(data_dir=tmp_path / "server") as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config(LAKE.replace("cpu: {{}}", "cpu: {{rollups: {{hourly: {{every: 1h}}}}}}"))
        for month, days in enumerate((range(2), range(31, 33))):
            lake.fill("cpu", days)
            lake.fill("mem", days, points=10 + month)
            box.store.checkpoint()
        for name in ("cpu", "mem"):
            for start, end in (("2026-01-01", "2026-01-03"), ("2026-02-01", "2026-02-03")):
                result = lake.tell("replicate", name, "--start", start, "--end", end)
                assert result.code == 0, result.err
        yield lake


def priced(lake: CliLake, **changes: Any) -> Path:
    path = lake.folder / "prices.yaml"
    path.write_text(yaml.safe_dump({**PRICES, **changes}))
    return path


def facts(lake: CliLake, *options: str) -> dict[str, Any]:
    result = lake.tell("cost", "--json", *options)
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


def test_what_source_and_lake_take_up(lake: CliLake) -> None:
    found = facts(lake)
    [source] = found["sources"]
    assert source["measurements"]["cpu"]["rows"] == 400
    assert source["bytes"] == sum(each["bytes"] for each in source["measurements"].values()) > 0
    assert {"series", "what is not persisted yet"} == source["not_told"].keys()
    tables = {each["name"]: each for each in found["lake"]["tables"]}
    assert tables.keys() == {"telemetry.cpu", "telemetry.mem"}
    assert {month: each["rows"] for month, each in tables["telemetry.cpu"]["months"].items()} == {
        "2026-01": 200,
        "2026-02": 200,
    }
    # What is on the disk, data files of older snapshots among them: there are none.
    assert found["lake"]["total"]["bytes"] == sum(path.stat().st_size for path in lake.data_files())
    assert found["lake"]["older_snapshots_bytes"] == 0
    assert found["lake"]["growth_per_month"]["rows"] == (400 + 20 + 22) // 2
    assert sum(found["lake"]["commits"].values()) == 8
    assert sum(found["lake"]["objects_written"].values()) == 8 * 4
    assert found["prices"] is None
    assert found["per_month"] == found["savings"] == []
    # A window that is loaded again leaves the files of the snapshot before.
    lake.tell("replicate", "mem", "--start", "2026-01-01", "--end", "2026-01-02")
    again = facts(lake)["lake"]
    assert again["total"]["rows"] == found["lake"]["total"]["rows"]
    on_disk = sum(path.stat().st_size for path in lake.data_files())
    assert again["total"]["bytes"] + again["older_snapshots_bytes"] == on_disk


def test_what_it_costs(lake: CliLake) -> None:
    found = facts(lake, "--prices", str(priced(lake)))
    assert found["prices"] == {"date": "2026-02-03", "currency": "EUR", "lake": "hot"}
    amounts = {each["what"]: each["amount"] for each in found["per_month"]}
    kept = found["lake"]["total"]["bytes"] + found["lake"]["metadata_bytes"]
    assert amounts["Source default: fixed"] == "5.000000"
    assert amounts["Source default: storage"] == f"{1000 * found['sources'][0]['bytes'] / GB:.6f}"
    assert amounts["Source default: queries"] is None
    assert amounts["Lake: storage in hot"] == f"{100 * kept / GB:.6f}"
    classes = {each["what"]: each["amount"] for each in found["storage_classes_per_month"]}
    assert classes == {"hot": f"{100 * kept / GB:.6f}", "cold": f"{kept / GB:.6f}"}
    [scan] = found["one_full_scan"]
    assert scan["amount"] == f"{5 * found['lake']['total']['bytes'] / Decimal(10**6):.6f}"
    assert all("a contract" in each["how"] or "a page" in each["how"] for each in found["per_month"] if each["amount"])


@pytest.mark.slow
def test_what_off_loading_saves(lake: CliLake) -> None:
    # More rows than a file of the server takes: what is newer goes into another one.
    lake.fill_much("cpu", 3, 400_000)
    lake.box.store.checkpoint()
    days = (datetime.now(UTC) - datetime(2026, 1, 20, tzinfo=UTC)).days
    prices = str(priced(lake, sources={"default": {"storage_gb_month": 100_000, "origin": "a contract"}}))
    found = facts(lake, "--prices", prices, "--after", f"{days}d")
    savings = {each["name"]: each for each in found["savings"]}
    tables = {each["name"]: each for each in found["lake"]["tables"]}
    assert savings.keys() == tables.keys()
    cpu, january = savings["telemetry.cpu"], tables["telemetry.cpu"]["months"]["2026-01"]["bytes"]
    assert cpu["lake_bytes"] == january
    assert 0 < cpu["source_bytes"] < found["sources"][0]["measurements"]["cpu"]["bytes"]
    saved, costs = 100_000 * cpu["source_bytes"] / GB, 100 * january / GB
    assert cpu["saved_per_month"] == f"{saved:.6f}"
    assert cpu["net_per_month"] == f"{saved - costs:.6f}"
    assert cpu["break_even_months"] == f"{(3 + Decimal(10) * 2 / 1000) / (saved - costs):.1f}"
    assert cpu["break_even_price_gb_month"] == f"{Decimal(100) * january / cpu['source_bytes']:.6f}"
    # The file of the other reaches beyond: how much of it does, nobody tells.
    mem = savings["telemetry.mem"]
    assert mem["source_bytes"] == 0 < mem["source_bytes_across"]
    assert mem["break_even_months"] is None
    result = lake.tell("cost", "--prices", prices, "--after", f"{days}d")
    assert f"{cpu['break_even_months']} months" in result.out
    assert "hold time on both sides" in result.out
    assert "not persisted" in result.out


@pytest.mark.slow
def test_the_rules_are_those_of_lake_yaml(lake: CliLake) -> None:
    lake.write_config(LAKE.replace("cpu: {{}}", "cpu: {{offload: {{after: 30d}}}}"))
    [saving] = facts(lake)["savings"]
    assert (saving["name"], saving["after"]) == ("telemetry.cpu", "30d")
    assert {each["after"] for each in facts(lake, "--after", "60d")["savings"]} == {"60d"}
    priced(lake)
    lake.write_config(LAKE + "cost: {{prices: prices.yaml}}\n")
    assert facts(lake)["prices"]["currency"] == "EUR"


@pytest.mark.slow
def test_a_source_that_is_away_leaves_the_lake_to_tell_of(lake: CliLake) -> None:
    lake.box.faults.update(unavailable=True)
    result = lake.tell("cost", "--json", "--prices", str(priced(lake)), "--after", "1d")
    assert result.code == 0
    assert "does not tell" in result.err
    assert result.object["sources"][0]["bytes"] is None
    assert "unavailable" in result.object["sources"][0]["error"].lower()
    assert result.object["lake"]["total"]["rows"] == 442
    assert result.object["savings"] == []


@pytest.mark.slow
def test_measurements_that_share_a_table(lake: CliLake) -> None:
    shared = LAKE.replace("measurements:", "defaults: {{metadata_columns: [measurement]}}\nmeasurements:")
    lake.write_config(shared.replace("cpu: {{}}", "cpu: {{table: all}}").replace("mem: {{}}", "mem: {{table: all}}"))
    for name in ("cpu", "mem"):
        result = lake.tell("replicate", f"telemetry.all.{name}", "--start", "2026-01-01", "--end", "2026-01-03")
        assert result.code == 0, result.err
    found = facts(lake, "--after", "1d")
    rows = {each["name"]: (each["kind"], each["rows"]) for each in found["lake"]["tables"]}
    assert rows == {"telemetry.all.cpu": ("measurement", 200), "telemetry.all.mem": ("measurement", 20)}
    assert [each["name"] for each in found["savings"]] == ["telemetry.all.cpu", "telemetry.all.mem"]


def test_the_page(lake: CliLake) -> None:
    prices = priced(lake, storage={**PRICES["storage"], "<script>": {"storage_gb_month": 1, "origin": "<img src=x>"}})
    result = lake.tell("cost", "--prices", str(prices), "--after", "30d", "--html", str(lake.folder / "cost.html"))
    assert result.code == 0, result.err
    page = (lake.folder / "cost.html").read_text()
    assert page.count("<svg role=") == 3
    assert "<title>2026-01 lake: " in page
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src &#39;none&#39;" in page
    assert "http" not in page.replace("http-equiv", "").split("</style>")[1].replace(lake.box.url, "")
    result = lake.tell("cost", "--html", str(lake.folder / "no" / "cost.html"))
    assert result.code == 1
    assert "cannot be written" in result.err


def test_the_mistakes_of_a_price_table_have_their_lines(lake: CliLake) -> None:
    path = lake.folder / "prices.yaml"
    path.write_text("date: someday\ncurrency: euros\nlake: hott\nstorage:\n  hot: {storage_gb_month: -1}\nprise: 1\n")
    result = lake.tell("cost", "--prices", str(path), "--json")
    assert result.code == 2
    problems = result.object["error"]["problems"]
    assert {(each["path"], each["line"]) for each in problems} >= {
        ("date", 1),
        ("currency", 2),
        ("storage.hot.storage_gb_month", 5),
        ("storage.hot.origin", 5),
        ("prise", 6),
    }
    path.write_text(yaml.safe_dump({**PRICES, "lake": "warm"}))
    assert "'warm' is none of `storage`" in lake.tell("cost", "--prices", str(path)).err
    assert lake.tell("cost", "--prices", str(lake.folder / "none.yaml")).code == 2


def test_the_example_is_a_price_table() -> None:
    prices = load_prices(EXAMPLE)
    assert prices.of_lake.storage_gb_month == Decimal("0.023")
    for each in (*prices.sources.values(), *prices.storage.values(), *prices.scans.values()):
        assert each.origin


@pytest.mark.servers
def test_influxdb_1_tells_of_whole_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with influxdb1(tmp_path / "server") as server, Sandbox() as box:
        step = 3600 * 10**9
        server.query("CREATE DATABASE without_shards")
        server.write("\n".join(f"cpu,host=h{n % 3} v={n}i {FIRST_DAY_NS + n * step}" for n in range(24 * 20)))
        lake = CliLake(tmp_path, box, capsys)
        text = LAKE.replace(
            'host: {host}, database: telemetry, token: "${{file:token}}"',
            f"type: influxdb1, host: '{server.url}', database: {DATABASE}",
        ).replace("  mem: {{}}\n", "")
        lake.write_config(text, SQLITE)
        result = lake.tell("replicate", "cpu", "--end", "2026-01-21")
        assert result.code == 0, result.err
        after = datetime.now(UTC) - datetime(2026, 1, 14, tzinfo=UTC)
        rule = f"{after // timedelta(days=1)}d"
        found = facts(lake, "--after", rule, "--prices", str(priced(lake)))
        [saving] = found["savings"]
        assert saving["name"] == "the whole database"
        months = found["sources"][0]["months"]
        # The shards that begin on 2025-12-29 and 2026-01-05 are over by then; that of 2026-01-12 is not.
        assert 0 < months["2025-12"] < saving["source_bytes"] < sum(months.values())
        assert saving["source_bytes_across"] > 0
        server.write(f"mem,host=x used=1i {FIRST_DAY_NS}")
        [saving] = facts(lake, "--after", rule)["savings"]
        assert saving["source_bytes"] is None
        assert saving["not_told"] == "shards hold all measurements, also those without a rule: mem"
