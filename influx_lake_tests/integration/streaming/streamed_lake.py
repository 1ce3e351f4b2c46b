"""A lake that `influx-lake stream` fills from a real broker, by a process that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from influx_lake.config import load_lake
from influx_lake.replication.streams.ledger import Ledger, LedgerTable
from testbed.kafka_broker import KafkaBroker, spark_jars
from testbed.local_catalog import local_catalog
from testbed.waiting import wait_until

LAKE = """\
sources:
  events: {{type: kafka, brokers: "{broker}", topics: [{topics}], database: telemetry, trigger: 1s{options}}}
catalog: {{name: lake, type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults: {{partition: {{every: day}}{defaults}}}
spark: {{master: "local[2]", conf: {{spark.jars: "{jars}", spark.driver.memory: 1g}}}}
measurements: {measurements}
"""


@dataclass
class StreamedLake:
    """The lake.

    Attributes:
        folder: Where it is.
        broker: The broker.
    """

    folder: Path
    broker: KafkaBroker

    def declare(
        self,
        topics: str = "telegraf",
        measurements: str = "{cpu: {}, mem: {}}",
        options: str = "",
        defaults: str = "",
    ) -> None:
        """Write the lake.yaml."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = LAKE.format(
            broker=self.broker.address,
            topics=topics,
            options=f", {options}" if options else "",
            defaults=f", {defaults}" if defaults else "",
            jars=spark_jars(),
            measurements=measurements,
        )
        (self.folder / "lake.yaml").write_text(text)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "influx_lake.cli", *arguments]

    def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a command to its end, and give what it tells as JSON."""
        done = subprocess.run(
            self.command(*arguments, "--json"),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr[-3000:]}"
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    @contextmanager
    def streaming(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process that streams until it is stopped, with what it started."""
        with (self.folder / "stream.log").open("ab") as log:
            process = subprocess.Popen(
                self.command("stream"), cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def ledger(self) -> Ledger | None:
        """What is known of the stream."""
        lake = load_lake(self.folder / "lake.yaml")
        return LedgerTable.of(lake, local_catalog(self.folder), "events", "test").read()

    def messages(self) -> int:
        """How many messages the stream has added."""
        ledger = self.ledger()
        return ledger.messages if ledger else 0

    def wait_for_messages(self, count: int, seconds: float = 120) -> None:
        wait_until(lambda: self.messages() >= count, f"{count} messages are added", seconds)

    def query(self, sql: str, *tables: str) -> list[tuple[Any, ...]]:
        """Ask DuckDB about tables, which are read by their files: `{cpu}` stands for one."""
        catalog = local_catalog(self.folder)
        named = {name: _files(catalog.load_table(f"telemetry.{name}")) for name in tables}
        read = {name: f"read_parquet({files}, union_by_name = true)" for name, files in named.items()}
        return duckdb.sql(sql.format(**read)).fetchall()


def _files(table: Any) -> Sequence[str]:
    return [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
