"""Topics as a source that can be inspected, but not read by windows."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property

from influx_lake.config.connections import KafkaConfig
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError, PermanentSourceError
from influx_lake.sources.messages.brokers import Brokers
from influx_lake.sources.protocol import RowStream, ServerInfo


class TopicSource:
    """The `Source` of topics that a stream reads.

    Args:
        config: The topics.

    Attributes:
        config: The topics.
    """

    def __init__(self, config: KafkaConfig) -> None:
        self.config = config

    @property
    def identity(self) -> str:
        """See `Source`."""
        return self.config.identity

    def __repr__(self) -> str:
        return f"TopicSource({self.identity!r})"

    def server(self) -> ServerInfo:
        """Ask the brokers for the topics.

        Raises:
            SourceError: They do not respond, or have no such topics.
        """
        partitions = self._brokers.partitions()
        ends, begins = self._brokers.ends(partitions), self._brokers.begins(partitions)
        messages = sum(end - begins[topic][each] for topic, found in ends.items() for each, end in found.items())
        count = sum(map(len, partitions.values()))
        return ServerInfo("Kafka", f"{len(partitions):,} topics, {count:,} partitions, {messages:,} messages")

    @cached_property
    def _brokers(self) -> Brokers:
        return Brokers(self.config)

    def measurements(self) -> list[str]:
        """Always empty: measurements are only known from messages."""
        return []

    def schema(self, measurement: str) -> MeasurementSchema:
        """See `Source`.

        Raises:
            PermanentSourceError: Topics are not read by windows.
        """
        raise self._refused(f"the columns of {measurement}")

    def read(self, schema: MeasurementSchema, window: Window) -> AbstractContextManager[RowStream]:
        """See `Source`.

        Raises:
            PermanentSourceError: Topics are not read by windows.
        """
        raise self._refused(f"{schema.measurement}, {window}")

    def count(self, measurement: str, window: Window) -> int:
        """See `Source`.

        Raises:
            PermanentSourceError: Topics are not read by windows.
        """
        raise self._refused(f"{measurement}, {window}")

    def first_time(self, measurement: str) -> datetime | None:
        """See `Source`.

        Raises:
            PermanentSourceError: Topics are not read by windows.
        """
        raise self._refused(f"the first point of {measurement}")

    def close(self) -> None:
        """See `Source`."""
        self.__dict__.pop("_brokers", None)

    def _refused(self, wanted: str) -> LakeError:
        topics = ", ".join(self.config.topics)
        return PermanentSourceError(
            f"{wanted} cannot be read from the topics {topics}: their messages are not sorted by time, and are "
            "read by `influx-lake stream`",
            remedy="To load or compare windows, name a database as `source` of the measurement, and the topics as "
            "`stream`",
        )
