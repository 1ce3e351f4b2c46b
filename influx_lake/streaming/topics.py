"""Topics read by Spark: its tasks parse messages, and this process adds the points."""

from __future__ import annotations

import io
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from influx_lake.config.connections import KafkaConfig
from influx_lake.sources.messages.brokers import Brokers, protocol
from influx_lake.sources.messages.message import DEAD_LETTERS, Messages, Offsets, as_rows
from influx_lake.sources.messages.message_parser import ParsedMessages, Read, parse_messages, unpack
from influx_lake.streaming.routing import NameFilter
from influx_lake.streaming.spark_session import spark_errors
from influx_lake.streaming.steps import Step

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming import StreamingQuery

_COLUMNS = ("topic", "partition", "offset", "unix_millis(timestamp) as time", "value")
_TAKEN = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("first", pa.int64()),
        ("kind", pa.string()),
        ("data", pa.binary()),
    ]
)
"""Results of tasks: the first offset, and units, dead letters and reads."""
_TAKEN_IN_SPARK = "topic string, partition int, first bigint, kind string, data binary"
_LOOK_SECONDS = 1.0


@dataclass(slots=True)
class SparkTopics:
    """The topics of a source.

    Attributes:
        session: The Spark session.
        config: The source.
        brokers: Queries the topics' partitions and offsets.
        name_filter: A predicate for measurements, where messages of others are dead letters; None: they are not.
    """

    session: SparkSession
    config: KafkaConfig
    brokers: Brokers
    name_filter: NameFilter | None = None
    _adding: threading.Lock = field(default_factory=threading.Lock)

    def partitions(self) -> Mapping[str, Sequence[int]]:
        """See `Topics`."""
        return self.brokers.partitions()

    def begins(self, partitions: Mapping[str, Sequence[int]]) -> Offsets:
        """See `Topics`."""
        return self.brokers.begins(partitions)

    def ends(self, partitions: Mapping[str, Sequence[int]]) -> Offsets:
        """See `Topics`."""
        return self.brokers.ends(partitions)

    def ids(self) -> Mapping[str, str]:
        """See `Topics`."""
        return self.brokers.ids()

    def between(self, begin: Offsets, end: Offsets, add: Callable[[Step], None]) -> None:
        """Read the messages between offsets, as one step.

        Raises:
            SourceError: The messages cannot be read.
        """
        starts = {topic: dict(found) for topic, found in begin.items() if found}
        ends = {
            topic: {each: end.get(topic, {}).get(each, at) for each, at in found.items()}
            for topic, found in starts.items()
        }
        if starts == ends:
            return
        with spark_errors("read the topics"):
            frame = (
                self.session.read.format("kafka")
                .options(**self._options())
                .option("assign", json.dumps({topic: sorted(found) for topic, found in starts.items()}))
                .option("startingOffsets", _offsets(starts))
                .option("endingOffsets", _offsets(ends))
                .load()
            )
            self._add(frame, add)

    def follow(
        self,
        starts: Offsets,
        add: Callable[[Step], None],
        idle: Callable[[Offsets], None],
        stopping: threading.Event,
        *,
        until_now: bool,
    ) -> None:
        """Read messages as they arrive, and pass them to `add`, until it is stopped between two steps.

        Args:
            starts: Where to begin.
            add: Adds a step.
            idle: Called after each step, every minute without one, and at the end, with the offsets up to which
                everything was added.
            stopping: An event that stops it.
            until_now: Whether to end once the messages that exist now are added.

        Raises:
            LakeError: `add` or `idle` raised it, or the topics cannot be read.
        """
        failures: list[BaseException] = []
        context = copy_context()
        done = threading.Event()
        last_added = -1

        def each(frame: DataFrame, number: int) -> None:
            nonlocal last_added
            with self._adding:
                if stopping.is_set() or failures:
                    return
                try:
                    context.copy().run(self._add, frame, add)
                    last_added = number
                except BaseException as error:
                    # Raised by `follow`: Spark would log its whole stack trace.
                    failures.append(error)
                finally:
                    done.set()

        trigger: dict[str, Any] = {"processingTime": _text(self.config.trigger)}
        if until_now:
            trigger = {"availableNow": True}
        with tempfile.TemporaryDirectory(prefix="influx-lake-stream-", ignore_cleanup_errors=True) as checkpoint:
            with spark_errors("follow the topics"):
                query = (
                    self.session.readStream.format("kafka")
                    .options(**self._options())
                    .option("subscribe", ",".join(self.config.topics))
                    .option("startingOffsets", _offsets(starts))
                    .option("maxOffsetsPerTrigger", str(self.config.max_messages))
                    .load()
                    .writeStream.foreachBatch(each)
                    .option("checkpointLocation", checkpoint)
                    .trigger(**trigger)
                    .start()
                )
            try:
                waited = _IDLE_SECONDS
                while query.isActive and not failures and not stopping.wait(_LOOK_SECONDS):
                    waited += _LOOK_SECONDS
                    if (done.is_set() or waited >= _IDLE_SECONDS) and self._adding.acquire(blocking=False):
                        try:
                            done.clear()
                            waited = 0.0
                            idle(_read(query, last_added))
                        finally:
                            self._adding.release()
            finally:
                # A step that has begun is finished.
                with self._adding:
                    query.stop()
            if failures:
                raise failures[0]
            with spark_errors("follow the topics"):
                if (error := query.exception()) is not None:
                    raise error
            idle(_read(query, last_added))

    def _add(self, frame: DataFrame, add: Callable[[Step], None]) -> None:
        config, name_filter = self._bare, self.name_filter

        def taken(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return take_batches(config, name_filter, batches)

        rows = frame.selectExpr(*_COLUMNS).mapInArrow(taken, _TAKEN_IN_SPARK).collect()
        with tempfile.TemporaryDirectory(prefix="influx-lake-messages-") as folder:
            add(step_of([row.asDict() for row in rows], Path(folder)))

    @property
    def _bare(self) -> KafkaConfig:
        """The source without credentials, which executors do not need."""
        return self.config.model_copy(update={"username": None, "password": None, "tls": None})

    def _options(self) -> dict[str, str]:
        return {
            "failOnDataLoss": "true",
            # Messages of a transaction count once it is committed, and never if it is not.
            "kafka.isolation.level": "read_committed",
            "minPartitions": str(self.session.sparkContext.defaultParallelism),
            "kafkaConsumer.pollTimeoutMs": "60000",
            **{f"kafka.{name}": value for name, value in java_settings(self.config).items()},
        }


def _read(query: StreamingQuery, last: int) -> Offsets:
    """The offsets up to which Spark has read with the batches so far; empty if they are no longer known.

    They can be ahead of the messages: the ends of transactions take up offsets, too.
    """
    for progress in reversed(query.recentProgress):
        if progress["batchId"] <= last:
            found = progress["sources"][0]["endOffset"]
            ends: dict[str, dict[str, int]] = json.loads(found) if isinstance(found, str) else found or {}
            return {topic: {int(each): at for each, at in ends_of.items()} for topic, ends_of in ends.items()}
    return {}


_IDLE_SECONDS = 60.0
"""The interval for recording the lag while no messages arrive, in seconds."""


def take_batches(
    config: KafkaConfig, name_filter: NameFilter | None, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Parse the messages of a task.

    Args:
        config: The source.
        name_filter: A predicate for measurements, where others are dead letters.
        batches: The messages: topic, partition, offset, time in milliseconds, value.
    """
    messages = (found for batch in batches for found in _messages(batch))
    yield from _rows(parse_messages(config, messages, name_filter))


def step_of(rows: Sequence[Mapping[str, Any]], folder: Path) -> Step:
    """Build a step from the results of tasks; its units are in a folder."""
    ordered = sorted(rows, key=lambda row: (row["topic"], row["partition"], row["first"]))
    units, reads, dead = [], list[Read](), list[pa.Table]()
    for number, row in enumerate(ordered):
        match row["kind"]:
            case "unit":
                units.append(unpack(bytes(row["data"]), folder / f"unit-{number}"))
            case "read":
                reads.append(Read(**json.loads(bytes(row["data"]))))
            case _:
                dead.append(pa.ipc.open_stream(bytes(row["data"])).read_all())
    return Step(units, reads, pa.concat_tables(dead) if dead else DEAD_LETTERS.empty_table())


def _messages(batch: pa.RecordBatch) -> Iterator[Messages]:
    """The messages of a batch, by partition."""
    topics, partitions, offsets, times, values = (column.to_pylist() for column in batch.columns)
    begin = 0
    for place in range(1, len(topics) + 1):
        if place == len(topics) or (topics[place], partitions[place]) != (topics[begin], partitions[begin]):
            cut = slice(begin, place)
            yield Messages(topics[begin], partitions[begin], offsets[cut], times[cut], values[cut])
            begin = place


def _rows(taken: ParsedMessages) -> Iterator[pa.RecordBatch]:
    if not taken.reads:
        return
    first = taken.reads[0]
    found = [("unit", taken.unit)]
    found += [("read", json.dumps(asdict(each)).encode()) for each in taken.reads]
    if taken.dead:
        buffer = io.BytesIO()
        letters = as_rows(taken.dead)
        with pa.ipc.new_stream(buffer, letters.schema) as stream:
            stream.write_batch(letters)
        found.append(("dead", buffer.getvalue()))
    for kind, data in found:
        columns = [[first.topic], [first.partition], [first.first], [kind], [data]]
        yield pa.RecordBatch.from_arrays(
            [pa.array(values, part.type) for values, part in zip(columns, _TAKEN, strict=True)], schema=_TAKEN
        )


def java_settings(config: KafkaConfig) -> dict[str, str]:
    """The settings of Kafka's Java client.

    Raises:
        ConfigurationError: The password, or a file of `tls`, cannot be read.
    """
    found = {
        "bootstrap.servers": ",".join(config.brokers),
        "security.protocol": protocol(config),
        "default.api.timeout.ms": "30000",
    }
    tls = config.tls
    if tls is not None and tls.ca_file is not None:
        found |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": _text_of(tls.ca_file)}
    if tls is not None and tls.cert_file is not None and tls.key_file is not None:
        found |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": _text_of(tls.cert_file),
            "ssl.keystore.key": _text_of(tls.key_file),
        }
    if config.username is not None and config.password is not None:
        kind = "plain.PlainLoginModule" if config.mechanism == "PLAIN" else "scram.ScramLoginModule"
        user, password = (_quoted(each) for each in (config.username, config.password.reveal()))
        found |= {
            "sasl.mechanism": config.mechanism,
            "sasl.jaas.config": f"org.apache.kafka.common.security.{kind} required "
            f"username={user} password={password};",
        }
    return found


def _text_of(file: Path) -> str:
    from influx_lake.errors import ConfigurationError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}", remedy="Correct `tls` of the source") from None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _offsets(offsets: Offsets) -> str:
    return json.dumps({topic: {str(each): at for each, at in found.items()} for topic, found in offsets.items()})


def _offsets_by_partition(offsets: Mapping[int, int], partitions: Mapping[int, int]) -> dict[int, int]:
    return {each: at for each, at in offsets.items() if each in partitions}


def _text(length: timedelta) -> str:
    return f"{max(1, round(length.total_seconds() * 1000))} milliseconds"
