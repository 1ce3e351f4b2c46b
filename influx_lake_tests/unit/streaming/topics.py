"""Topics in memory, a stream of them, and a kill between any two commits."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog

from influx_lake.config import Lake, load_lake
from influx_lake.config.connections import KafkaConfig
from influx_lake.sources.messages.message import Messages, Offsets
from influx_lake.sources.messages.message_parser import parse_messages
from influx_lake.streaming.steps import Step
from influx_lake.streaming.stream import Stream
from influx_lake.streaming.topics import _rows, step_of

NOON = 1_767_268_800  # 2026-01-01T12:00:00Z
LAKE = """\
sources:
  events: {{type: kafka, brokers: "localhost:9092", topics: [telegraf], database: telemetry{options}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults: {{partition: {{every: hour, start: 2026-01-01T12:00:00Z}}{defaults}}}
measurements: {measurements}
"""


class Killed(BaseException):
    """The process is killed."""


def line(measurement: str, series: int, second: int, **fields: object) -> bytes:
    """A point as Telegraf writes it."""
    values = ",".join(f"{name}={value}" for name, value in fields.items())
    return f"{measurement},host=h{series} {values} {(NOON + second) * 10**9}\n".encode()


@dataclass
class MemoryTopics:
    """Topics whose messages are lists, by topic and partition."""

    config: KafkaConfig
    messages: dict[str, dict[int, list[bytes | None]]] = field(default_factory=dict)
    first: int = 0
    made: int = 1

    def put(self, partition: int, *values: bytes | None, topic: str = "telegraf") -> None:
        self.messages.setdefault(topic, {}).setdefault(partition, []).extend(values)

    def partitions(self) -> Mapping[str, Sequence[int]]:
        return {topic: sorted(found) for topic, found in self.messages.items()}

    def begins(self, partitions: Mapping[str, Sequence[int]]) -> Offsets:
        return {topic: dict.fromkeys(found, self.first) for topic, found in partitions.items()}

    def ends(self, partitions: Mapping[str, Sequence[int]]) -> Offsets:
        return {topic: {each: len(self.messages[topic][each]) for each in found} for topic, found in partitions.items()}

    def ids(self) -> Mapping[str, str]:
        return {topic: f"{topic} {self.made}" for topic in self.messages}

    def between(self, begin: Offsets, end: Offsets, add: Callable[[Step], None]) -> None:
        rows: list[dict[str, Any]] = []
        for topic, found in begin.items():
            for each, at in found.items():
                at = max(at, self.first)  # noqa: PLW2901
                values = self.messages[topic][each][at : end.get(topic, {}).get(each, at)]
                offsets = range(at, at + len(values))
                messages = Messages(topic, each, offsets, [NOON * 1000 + one for one in offsets], values)
                for batch in _rows(parse_messages(self.config, [messages])):
                    rows += batch.to_pylist()
        with tempfile.TemporaryDirectory() as folder:
            add(step_of(rows, Path(folder)))


def lake_of(folder: Path, measurements: str = "{cpu: {}, mem: {}}", options: str = "", defaults: str = "") -> Lake:
    """A lake with a stream."""
    path = folder / "lake.yaml"
    path.write_text(LAKE.format(measurements=measurements, options=options, defaults=defaults))
    return load_lake(path)


def stream_of(lake: Lake, catalog: Catalog) -> Stream:
    """Its stream."""
    return Stream(lake, catalog, "events", "test", lambda _: ("kafka:telemetry",))


def topics_of(lake: Lake) -> MemoryTopics:
    """Its topics."""
    config = lake.source("events")
    assert isinstance(config, KafkaConfig)
    return MemoryTopics(config)


def add_all(stream: Stream, topics: MemoryTopics, most: int = 10**9) -> None:
    """Add what there is, so many messages of each partition at once."""
    stream.open(topics)
    while True:
        starts = {
            topic: {each: max(0, at) for each, at in found.items()}
            for topic, found in stream.starts(topics.partitions()).items()
        }
        ends = topics.ends(topics.partitions())
        until = {
            topic: {each: min(end, starts[topic][each] + most) for each, end in found.items()}
            for topic, found in ends.items()
        }
        if until == starts:
            return
        topics.between(starts, until, stream.add)


@contextmanager
def killed_at(catalog: Catalog, commit: int, *, after: bool) -> Iterator[list[int]]:
    """Kill the process at a commit, before or after it takes place; tells how many there were."""
    seen, original = [0], catalog.commit_table

    def commit_table(*arguments: Any, **options: Any) -> Any:
        seen[0] += 1
        if seen[0] > commit or (seen[0] == commit and not after):
            raise Killed
        done = original(*arguments, **options)
        if seen[0] == commit:
            raise Killed
        return done

    catalog.commit_table = commit_table  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        catalog.commit_table = original  # type: ignore[method-assign]


def rows_of(catalog: Catalog, table: str, order: str = "all") -> list[dict[str, Any]]:
    """The rows of a table, as DuckDB reads its files."""
    found = catalog.load_table(table)
    files = [task.file.file_path.removeprefix("file://") for task in found.scan().plan_files()]
    if not files:
        return []
    read: pa.Table = duckdb.sql(f"select * from read_parquet({files}, union_by_name = true) order by {order}").arrow()
    return [dict(row) for row in pa.table(read).to_pylist()]
