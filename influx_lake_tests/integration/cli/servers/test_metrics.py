"""`influx-lake metrics`: what a lake that works tells Prometheus."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from influx_lake.config import load_lake
from influx_lake.iceberg.streams.position import StreamPosition
from influx_lake.metrics.families import FAMILIES, Kind
from influx_lake.metrics.journal import FILE, read_journal
from influx_lake.replication.streams.ledger import Ledger, LedgerTable, PartitionLag
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import FIRST_DAY_NS, CliLake
from testbed.http_server import http_server

CPU = {"namespace": "telemetry", "table": "cpu"}
DOCUMENT = Path(__file__).parents[4] / "docs" / "metrics.md"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config()
        lake.fill("cpu", range(4))
        lake.fill("mem", range(2), points=10)
        yield lake


def scrape(lake: CliLake) -> Samples:
    return read(lake.tell("metrics").out)


def read(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def load(lake: CliLake, start: int, end: int) -> None:
    result = lake.tell("replicate", "cpu", "--start", f"2026-01-0{start}", "--end", f"2026-01-0{end}")
    assert result.code == 0


@pytest.mark.slow
def test_what_was_found_to_differ_stays_until_a_branch_is_published(lake: CliLake) -> None:
    load(lake, 1, 3)
    lake.box.write("telemetry", f"cpu,host=late value=1i {FIRST_DAY_NS + 5}")
    assert lake.tell("verify", "cpu", "--start", "2026-01-01", "--end", "2026-01-03").code == 1

    def differing() -> list[str]:
        found = read_journal(lake.folder).comparisons.get("telemetry.cpu", [])
        return [str(each.window.start.date()) for each in found if each.verdict != "equal"]

    assert differing() == ["2026-01-01"]
    days = ("--start", "2026-01-01", "--end", "2026-01-02")
    assert lake.tell("replicate", "cpu", *days, "--branch", "audit").code == 0
    assert lake.tell("verify", "cpu", *days, "--branch", "audit").code == 0
    assert differing() == ["2026-01-01"]
    assert lake.tell("publish", "cpu", "--branch", "audit").code == 0
    assert differing() == []


def test_counters_follow_the_tables(lake: CliLake) -> None:
    load(lake, 1, 4)
    found = scrape(lake)
    assert of(found, "iceberg_records_written_total", **CPU) == 300
    assert of(found, "iceberg_batches_committed_total", **CPU) == 3
    table = lake.catalog.load_table("telemetry.cpu")
    added = [int(each.summary["added-files-size"] or 0) for each in table.snapshots() if each.summary]
    assert of(found, "iceberg_bytes_written_total", **CPU) == sum(added) == of(found, "influx_lake_table_bytes", **CPU)
    assert of(found, "iceberg_records_per_batch_bucket", **CPU, le="10.0") == 0
    assert of(found, "iceberg_records_per_batch_bucket", **CPU, le="100.0") == 3
    assert of(found, "iceberg_records_per_batch_count", **CPU) == 3
    assert of(found, "iceberg_commit_duration_seconds_count", **CPU) == 3
    assert of(found, "iceberg_commit_duration_seconds_sum", **CPU) > 0
    assert of(found, "influx_lake_loads_total", measurement="cpu") == 3
    phases = [of(found, "influx_lake_load_seconds_total", **CPU, phase=each) for each in ("read", "write", "commit")]
    assert all(seconds > 0 for seconds in phases)
    mem = {"source": "default", "measurement": "mem", "namespace": "telemetry", "table": "mem"}
    assert of(found, "influx_lake_windows_missing", **mem) == of(found, "influx_lake_windows_due", **mem) > 300
    cpu = {**mem, "measurement": "cpu", "table": "cpu"}
    assert of(found, "influx_lake_windows_missing", **cpu) == of(found, "influx_lake_windows_due", **cpu) - 3
    assert of(found, "influx_lake_loaded_until_timestamp_seconds", **cpu) == 1_767_225_600 + 3 * 86_400


def test_counters_never_go_back(lake: CliLake) -> None:
    """Loaded again, rolled back, expired, killed before the journal was written: they only grow."""
    load(lake, 1, 3)
    before = scrape(lake)
    first = lake.catalog.load_table("telemetry.cpu").metadata.snapshots[0].snapshot_id
    assert lake.tell("rollback", "cpu", "--to", str(first)).code == 0
    rolled_back = scrape(lake)
    load(lake, 2, 3)
    again = scrape(lake)
    table = lake.catalog.load_table("telemetry.cpu")
    current = table.metadata.current_snapshot_id
    table.maintenance.expire_snapshots().by_ids(
        [each.snapshot_id for each in table.snapshots() if each.snapshot_id != current]
    ).commit()
    (lake.folder / FILE).unlink()
    expired = scrape(lake)
    counted = {f"{family.name}_total" for family in FAMILIES if family.name.startswith("iceberg_")}
    for sample, value in before.items():
        if sample[0] in counted - {"iceberg_commit_conflicts_total"}:
            assert value <= rolled_back[sample] <= again[sample] <= expired[sample]
    assert of(expired, "iceberg_batches_committed_total", **CPU) == 3
    assert of(expired, "influx_lake_table_rows", **CPU) == 200


@pytest.mark.slow
def test_what_differs_is_reported_until_it_is_loaded(lake: CliLake) -> None:
    load(lake, 1, 5)
    cpu = {"source": "default", "measurement": "cpu", **CPU}
    assert of(scrape(lake), "influx_lake_windows_differing", **cpu) == 0
    lake.fill("cpu", range(2, 3), points=150)
    assert lake.tell("verify", "cpu", "--start", "2026-01-01", "--end", "2026-01-04").code == 1
    found = scrape(lake)
    assert of(found, "influx_lake_windows_differing", **cpu) == 1
    assert of(found, "influx_lake_compared_lake_rows", **cpu) == 100
    assert of(found, "influx_lake_compared_source_rows", **cpu) > 100
    load(lake, 3, 4)
    assert of(scrape(lake), "influx_lake_windows_differing", **cpu) == 0


@pytest.mark.slow
def test_failures_are_counted_by_their_reason(lake: CliLake) -> None:
    lake.write_token("wrong")
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02").code == 1
    found = scrape(lake)
    assert of(found, "influx_lake_load_failures_total", measurement="cpu", reason="AuthenticationFailed") == 1


def test_a_catalog_that_is_away_is_reported(lake: CliLake) -> None:
    load(lake, 1, 2)
    (lake.folder / "catalog.db").write_text("no database")
    found = scrape(lake)
    assert of(found, "influx_lake_catalog_up") == 0
    assert of(found, "influx_lake_loads_total", measurement="cpu") == 1


@pytest.mark.slow
def test_a_text_file_is_whole_and_readable(lake: CliLake) -> None:
    load(lake, 1, 2)
    path = lake.folder / "influx_lake.prom"
    assert lake.tell("metrics", "--text-file", str(path)).code == 0
    assert of(read(path.read_text()), "iceberg_records_written_total", **CPU) == 100
    assert path.stat().st_mode & 0o777 == 0o644
    result = lake.tell("metrics", "--text-file", str(lake.folder / "missing" / "influx_lake.prom"))
    assert result.code == 1
    assert "cannot be written" in result.err


@pytest.mark.slow
def test_push(lake: CliLake) -> None:
    got: list[tuple[str, str, str, bytes]] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.command, self.path, self.headers.get("Authorization", ""), body))
            self.send_response(200 if "sesame" in b64decode(got[-1][2][6:]).decode() else 401)
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    load(lake, 1, 2)
    with http_server(Gateway) as url:
        assert lake.tell("metrics", "--push", url.replace("//", "//lake:sesame@")).code == 0
        refused = lake.tell("metrics", "--push", url.replace("//", "//lake:se%23cret@"))
    assert got[0][1] == "/metrics/job/influx_lake"
    assert of(read(got[0][3].decode()), "iceberg_records_written_total", **CPU) == 100
    assert refused.code == 1
    assert "401" in refused.err
    assert "se#cret" not in refused.err
    assert "se%23cret" not in refused.err
    assert lake.tell("metrics", "--push", url).code == 1
    assert lake.tell("metrics", "--push", "pushgateway:9091").code == 2


def with_stream(lake: CliLake) -> None:
    """Declare a stream that has run."""
    topics = '  events: {type: kafka, brokers: "localhost:9092", topics: [telegraf], database: telemetry}'
    lake.config.write_text(lake.config.read_text().replace("catalog:", f"{topics}\ncatalog:", 1))
    declared = load_lake(lake.config)
    ledger = LedgerTable.of(declared, lake.catalog, "events", "test")
    ledger.ensure()
    lags = {"telegraf": {0: PartitionLag(3, 1_767_225_600_000)}}
    position = StreamPosition("events", 1, {"telegraf": {0: 7}})
    ledger.write(Ledger(position, caught_up_at=datetime.now(UTC), lags=lags, messages=7, unmatched={"x": 2}), None)


def test_streams_are_reported_by_metrics_and_status(lake: CliLake) -> None:
    load(lake, 1, 2)
    with_stream(lake)
    found = scrape(lake)
    place = {"source": "events", "topic": "telegraf", "partition": "0"}
    assert of(found, "influx_lake_stream_lag_messages", **place) == 3
    assert of(found, "influx_lake_stream_lag_seconds", **place) > 0
    assert of(found, "influx_lake_stream_messages_total", source="events") == 7
    result = lake.tell("status").out
    assert "stream events: 7 messages; 3 to come; level with its topics" in result
    assert "of no measurement of lake.yaml: x (2)" in result
    assert lake.tell("status", "--json").object["streams"][0]["lag_messages"] == 3


def test_every_documented_metric_is_reported_and_the_other_way_round(lake: CliLake) -> None:
    load(lake, 1, 4)
    lake.tell("verify", "cpu")
    with_stream(lake)
    told = {name for name, _ in scrape(lake)}
    documented = set(re.findall(r"^\| `(\w+)`", DOCUMENT.read_text(), re.MULTILINE))
    assert documented == {family.full_name for family in FAMILIES}
    named = {f"{family.name}_count" if family.kind is Kind.HISTOGRAM else family.full_name for family in FAMILIES}
    assert named <= told
