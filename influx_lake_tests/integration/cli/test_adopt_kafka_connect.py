"""`influx-lake adopt` on tables that Apache Iceberg's sink for Kafka Connect filled.

The tables are made as the sink makes them (1.10: `Coordinator`): appends whose summaries say how far it is, a column
for each of a flattened record and for where its message was, and some messages twice, after a rebalance.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, SQLITE, CliLake

LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
defaults: {{partition: {{every: day, start: 2026-01-01}}, reconcile: off}}
measurements: {{cpu: {{}}}}
"""
END = ("--end", "2026-01-04")


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config(LAKE, SQLITE)
        lines = [f"cpu,host=h{each % 2} usage={each}.5,cores={each}i {_time(each)}" for each in range(30)]
        box.write("telemetry", "\n".join(lines))
        yield lake


def _time(number: int) -> int:
    return FIRST_DAY_NS + number // 10 * DAY_NS + number * 10**9


def sink(lake: CliLake, offset: int, numbers: Sequence[int]) -> None:
    """What a commit of the sink adds."""
    rows = pa.table(
        {
            "cores": pa.array(numbers, pa.int64()),
            "host": [f"h{each % 2}" for each in numbers],
            "time": pa.array([_time(each) // 1000 for each in numbers], pa.timestamp("us", "UTC")),
            "usage": [each + 0.5 for each in numbers],
            "_kafka_metadata_partition": pa.array([0] * len(numbers), pa.int32()),
            "_kafka_metadata_offset": pa.array(range(offset, offset + len(numbers)), pa.int64()),
        }
    )
    catalog = lake.catalog
    catalog.create_namespace_if_not_exists("telemetry")
    table = catalog.create_table_if_not_exists("telemetry.cpu", rows.schema)
    table.append(
        rows,
        snapshot_properties={
            "kafka.connect.commit-id": str(uuid.uuid4()),
            "kafka.connect.task-id": "events-sink-0",
            "kafka.connect.offsets.control-iceberg.cg-control-events-sink": json.dumps({"0": offset}),
            "kafka.connect.valid-through-ts": "2026-01-03T23:59:59Z",
        },
    )


def read(lake: CliLake) -> list[tuple[object, ...]]:
    files = [
        task.file.file_path.removeprefix("file://")
        for task in lake.catalog.load_table("telemetry.cpu").scan().plan_files()
    ]
    asked = "select host, usage, cores from read_parquet($files, union_by_name = true) order by cores"
    return duckdb.execute(asked, {"files": files}).fetchall()


def test_what_came_twice_and_what_is_missing_is_put_right(lake: CliLake) -> None:
    sink(lake, 0, range(10))
    # The second day twice, and of the third a part.
    sink(lake, 10, range(10, 20))
    sink(lake, 20, range(10, 20))
    sink(lake, 30, range(20, 24))
    result = lake.tell("adopt", "cpu", *END, "--dry-run", "--json")
    found = result.object["measurements"][0]
    assert result.code == 1
    assert found["windows"] == {"equal": 1, "loaded": 2, "kept": 0, "done": 0}
    assert (found["rows"]["doubled"], found["rows"]["missing"], found["rows"]["changed"]) == (10, 6, 0)
    assert lake.tell("adopt", "cpu", *END).code == 0
    assert read(lake) == [(f"h{each % 2}", each + 0.5, each) for each in range(30)]
    assert lake.tell("verify", "cpu", *END, "--values").code == 0


def test_what_it_adds_later_is_reported_and_put_right(lake: CliLake) -> None:
    sink(lake, 0, range(30))
    assert lake.tell("adopt", "cpu", *END).code == 0
    sink(lake, 30, range(3))
    assert "kafka connect" in lake.tell("status").out.lower()
    assert lake.tell("adopt", "cpu", *END).code == 0
    assert read(lake) == [(f"h{each % 2}", each + 0.5, each) for each in range(30)]
