"""The ledger of a stream: the position of all its tables, the messages under way, and its counts.

It is a property of the table of dead letters. Each table's own commits record which messages it has; the ledger records
which messages have to be checked, and which were being added when a process ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from influx_lake.config import Lake, WriteOptions
from influx_lake.config.connections import KafkaConfig
from influx_lake.config.values.validated_names import safe_table_name
from influx_lake.config.values.windows import EPOCH, parse_moment, utc_text
from influx_lake.errors import StreamOvertaken
from influx_lake.iceberg.commit.metadata_commit import commit_metadata
from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.streams.position import StreamPosition
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.sources.messages.message import DEAD_LETTERS

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableUpdate

PROPERTY = "influx-lake.stream-ledger."
"""The prefix of the table property; the stream's name follows."""
DEAD_LETTERS_SUFFIX = "__dead_letters"
KEPT_METADATA = 20
"""How many earlier metadata files of the table are kept: each step writes the ledger."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Messages that are being added.

    Attributes:
        begin: The offset of the first message, by topic and partition.
        end: The stream's position after them.
    """

    begin: Mapping[str, Mapping[int, int]]
    end: StreamPosition


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """The lag of a stream in a partition of a topic.

    Attributes:
        messages: The number of messages that were not added.
        newest_ms: When the newest added message was written, in milliseconds since 1970; None before the first.
    """

    messages: int
    newest_ms: int | None = None

    def seconds(self, now: datetime) -> float:
        """The age of the newest added message, while others wait; 0 where none do."""
        if not self.messages or self.newest_ms is None:
            return 0.0
        return max(0.0, (now - EPOCH - timedelta(milliseconds=self.newest_ms)).total_seconds())


@dataclass(frozen=True, slots=True)
class Ledger:
    """The state of a stream.

    Attributes:
        position: Every table has all messages before this position, unless it was rolled back since.
        tables: The sequence that was last added to each table, or measurement of a shared table.
        under_way: The messages that were being added when this was written; None: none.
        caught_up_at: When the stream last had no lag; None: never.
        written_at: When this was written.
        lags: The lag, by topic and partition.
        messages: The number of messages read.
        points: The number of rows added; a point counts each time it is sent.
        dead_letters: The number of messages, or lines of messages, that were not points.
        unmatched: The number of points of measurements that lake.yaml does not have, by measurement.
        outside: The number of points older than the first kept window.
        replayed: The tables that were rolled back, and get their earlier messages again.
        topic_ids: The IDs of the topics that were read, as far as brokers report them.
    """

    position: StreamPosition
    tables: Mapping[str, int] = field(default_factory=dict)
    under_way: UnderWay | None = None
    caught_up_at: datetime | None = None
    written_at: datetime = EPOCH
    lags: Mapping[str, Mapping[int, PartitionLag]] = field(default_factory=dict)
    messages: int = 0
    points: int = 0
    dead_letters: int = 0
    unmatched: Mapping[str, int] = field(default_factory=dict)
    outside: int = 0
    replayed: frozenset[str] = frozenset()
    topic_ids: Mapping[str, str] = field(default_factory=dict)

    def as_text(self) -> str:
        """The ledger as JSON."""
        under_way = self.under_way
        facts: dict[str, Any] = {
            "position": self.position.facts(),
            "tables": dict(self.tables),
            "under_way": under_way and {"begin": _texts(under_way.begin), "end": under_way.end.facts()},
            "caught_up_at": self.caught_up_at and utc_text(self.caught_up_at),
            "written_at": utc_text(self.written_at),
            "lags": {
                topic: {str(each): [lag.messages, lag.newest_ms] for each, lag in found.items()}
                for topic, found in self.lags.items()
            },
            "messages": self.messages,
            "points": self.points,
            "dead_letters": self.dead_letters,
            "unmatched": dict(self.unmatched),
            "outside": self.outside,
            "replayed": sorted(self.replayed),
            "topic_ids": dict(self.topic_ids),
        }
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def of_text(cls, text: str) -> Ledger:
        """Parse the JSON of `as_text`.

        Raises:
            ValueError, KeyError, TypeError: The text is not a ledger.
        """
        facts = json.loads(text)
        under_way, caught_up = facts["under_way"], facts["caught_up_at"]
        return cls(
            position=StreamPosition.of_facts(facts["position"]),
            tables={str(name): int(at) for name, at in facts["tables"].items()},
            under_way=under_way and UnderWay(_numbers(under_way["begin"]), StreamPosition.of_facts(under_way["end"])),
            caught_up_at=caught_up and parse_moment(caught_up),
            written_at=parse_moment(facts["written_at"]),
            lags={
                str(topic): {int(each): PartitionLag(int(lag[0]), lag[1]) for each, lag in found.items()}
                for topic, found in facts["lags"].items()
            },
            messages=int(facts["messages"]),
            points=int(facts["points"]),
            dead_letters=int(facts["dead_letters"]),
            unmatched={str(name): int(count) for name, count in facts["unmatched"].items()},
            outside=int(facts["outside"]),
            replayed=frozenset(facts["replayed"]),
            topic_ids={str(topic): str(each) for topic, each in facts.get("topic_ids", {}).items()},
        )


@dataclass(frozen=True, slots=True)
class LedgerTable:
    """The table of dead letters, with the ledger.

    Attributes:
        catalog: The catalog.
        stream: The stream's name.
        target: The table.
        provenance: The stream and run that write to it.
    """

    catalog: Catalog
    stream: str
    target: TableTarget
    provenance: Provenance

    @classmethod
    def of(cls, lake: Lake, catalog: Catalog, stream: str, run_id: str) -> LedgerTable:
        """The table of a lake's stream."""
        config = lake.source(stream)
        assert isinstance(config, KafkaConfig)
        return cls(catalog, stream, ledger_target(config, stream), Provenance(config.identity, run_id))

    def table(self) -> Table | None:
        """The table; None where it does not exist yet.

        Raises:
            CatalogError: The catalog cannot be reached or refuses.
        """
        return find_table(self.catalog, self.target.identifier)

    def ensure(self) -> None:
        """Create the table where it does not exist.

        Raises:
            LakeError: It cannot be created, or is not this stream's.
        """
        table_for(self.catalog, self.target, DEAD_LETTERS, self.provenance)

    def read(self) -> Ledger | None:
        """The ledger; None where the stream never ran.

        Raises:
            CatalogError: The catalog cannot be reached or refuses.
        """
        table = self.table()
        return None if table is None else ledger_in(table, self.stream)

    def write(self, ledger: Ledger, before: Ledger | None) -> Ledger:
        """Write the ledger.

        Args:
            ledger: The new ledger.
            before: The ledger that this process wrote last: another process must not have written since.

        Returns:
            The ledger as written.

        Raises:
            StreamOvertaken: Another process has written since.
            LakeError: The catalog fails.
        """
        from pyiceberg.table.update import SetPropertiesUpdate

        ledger = replace(ledger, written_at=datetime.now(UTC))
        text = ledger.as_text()

        def plan(table: Table) -> tuple[TableUpdate, ...]:
            kept = table.metadata.properties.get(PROPERTY + self.stream)
            if kept == text:
                return ()
            if kept is not None and (before is None or kept != before.as_text()):
                raise StreamOvertaken(
                    f"another process of the stream {self.stream} has written to {self.target.name} meanwhile",
                    remedy="Run one process for each stream; this one ended, and nothing was added twice",
                )
            return (SetPropertiesUpdate(updates={PROPERTY + self.stream: text}),)

        commit_metadata(self.catalog, self.target, "record the stream's position in", plan)
        return ledger


def ledger_target(config: KafkaConfig, stream: str) -> TableTarget:
    """The table of a stream's dead letters."""
    namespace = tuple(safe_table_name(config.database).split("."))
    name = config.dead_letters or safe_table_name(stream) + DEAD_LETTERS_SUFFIX
    kept = {
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": str(KEPT_METADATA),
    }
    return TableTarget((*namespace, name), write=WriteOptions(), properties=kept)


def ledger_in(table: Table, stream: str) -> Ledger | None:
    """The ledger of a stream in its table of dead letters; None where there is none that can be parsed."""
    text = table.metadata.properties.get(PROPERTY + stream)
    try:
        return None if text is None else Ledger.of_text(text)
    except (ValueError, KeyError, TypeError):
        return None


def streams_of(lake: Lake) -> dict[str, KafkaConfig]:
    """The streams of a lake, by name."""
    return {name: config for name, config in lake.sources.items() if isinstance(config, KafkaConfig)}


def _texts(offsets: Mapping[str, Mapping[int, int]]) -> dict[str, dict[str, int]]:
    return {topic: {str(each): at for each, at in found.items()} for topic, found in offsets.items()}


def _numbers(offsets: Mapping[str, Mapping[str, int]]) -> dict[str, dict[int, int]]:
    return {str(topic): {int(each): int(at) for each, at in found.items()} for topic, found in offsets.items()}
