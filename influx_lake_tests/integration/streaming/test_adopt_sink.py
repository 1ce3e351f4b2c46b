"""`influx-lake adopt` on a table that Apache Iceberg's own sink for Kafka Connect fills, from a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, SQLITE, CliLake
from testbed.kafka_broker import KafkaBroker, kafka_broker
from testbed.kafka_connect import KafkaConnect, iceberg_sink
from testbed.waiting import wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {{name: lake, {sqlite}}}
defaults: {{partition: {{every: day, start: 2026-01-01}}, reconcile: off}}
measurements: {{cpu: {{}}}}
"""
END = ("--end", "2026-01-04")
# As docs/stream.md says: columns of their own for time, tags and fields.
SETTINGS = {
    "topics": "points",
    "iceberg.tables": "telemetry.cpu",
    "transforms": "flat,rename,time,offset",
    "transforms.flat.type": "org.apache.kafka.connect.transforms.Flatten$Value",
    "transforms.flat.delimiter": "_",
    "transforms.rename.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
    "transforms.rename.exclude": "name",
    "transforms.rename.renames": "tags_host:host,fields_usage:usage,fields_cores:cores,timestamp:time",
    "transforms.time.type": "org.apache.kafka.connect.transforms.TimestampConverter$Value",
    "transforms.time.field": "time",
    "transforms.time.target.type": "Timestamp",
    "transforms.time.unix.precision": "seconds",
    "transforms.offset.type": "org.apache.kafka.connect.transforms.InsertField$Value",
    "transforms.offset.offset.field": "_kafka_metadata_offset",
}
POINTS = 30


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config(LAKE.replace("{sqlite}", SQLITE.strip("{}")))
        lines = [f"cpu,host=h{each % 2} usage={each}.5,cores={each}i {_seconds(each)}" for each in range(POINTS)]
        lines = [f"{line}000000000" for line in lines]
        box.write("telemetry", "\n".join(lines))
        yield lake


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    with kafka_broker(tmp_path / "kafka") as broker:
        broker.create("points")
        yield broker


@pytest.fixture
def sink(lake: CliLake, broker: KafkaBroker) -> Iterator[KafkaConnect]:
    catalog = lake.catalog
    catalog.create_namespace_if_not_exists("telemetry")
    folder = lake.folder
    with iceberg_sink(folder / "connect", broker, SETTINGS, folder / "catalog.db", folder / "warehouse") as sink:
        yield sink


def _seconds(number: int) -> int:
    """Ten points a day."""
    return (FIRST_DAY_NS + number // 10 * DAY_NS) // 10**9 + number


def produce(broker: KafkaBroker, numbers: Iterable[int]) -> None:
    """Write points as Telegraf's format `json` has them."""
    broker.produce(
        "points",
        [
            (
                "cpu",
                json.dumps(
                    {
                        "name": "cpu",
                        "tags": {"host": f"h{each % 2}"},
                        "fields": {"usage": each + 0.5, "cores": each},
                        "timestamp": _seconds(each),
                    }
                ).encode(),
            )
            for each in numbers
        ],
    )


def rows(lake: CliLake) -> list[tuple[object, ...]]:
    """The rows of the table, read by DuckDB."""
    if not lake.catalog.table_exists("telemetry.cpu"):
        return []
    files = [
        task.file.file_path.removeprefix("file:").replace("///", "/")
        for task in lake.catalog.load_table("telemetry.cpu").scan().plan_files()
    ]
    if not files:
        return []
    query = "select host, usage, cores from read_parquet($files, union_by_name = true) order by cores"
    return duckdb.execute(query, {"files": files}).fetchall()


def wait_for_rows(lake: CliLake, sink: KafkaConnect, count: int) -> None:
    def arrived() -> bool:
        sink.check_running()
        return len(rows(lake)) >= count

    wait_until(arrived, f"the sink commits {count} rows", 120)


def test_a_table_that_the_sink_filled_is_corrected_and_replaced_by_loads(
    lake: CliLake, broker: KafkaBroker, sink: KafkaConnect
) -> None:
    # The second day is there twice, and half of the third is missing.
    produce(broker, [*range(20), *range(10, 25)])
    wait_for_rows(lake, sink, 35)
    # It holds SQLite's lock, which a catalog of a server has not.
    sink.kill()
    dry = lake.tell("adopt", "cpu", *END, "--dry-run", "--json")
    found = dry.object["measurements"][0]
    assert found["windows"] == {"equal": 1, "loaded": 2, "kept": 0, "done": 0}
    assert (found["rows"]["doubled"], found["rows"]["missing"], found["rows"]["changed"]) == (10, 5, 0)
    assert len(rows(lake)) == 35

    assert lake.tell("adopt", "cpu", *END).code == 0
    exact = [(f"h{each % 2}", each + 0.5, each) for each in range(POINTS)]
    assert rows(lake) == exact
    assert lake.tell("verify", "cpu", *END, "--values").code == 0

    # The sink is started again by mistake, and continues in the table that is loaded now.
    sink.start()
    produce(broker, range(3))
    wait_for_rows(lake, sink, POINTS + 3)
    sink.kill()
    assert "kafka connect" in lake.tell("status").out.lower()
    assert lake.tell("verify", "cpu", *END).code == 1
    assert lake.tell("adopt", "cpu", *END).code == 0
    assert rows(lake) == exact
