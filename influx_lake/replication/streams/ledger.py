"""What a stream keeps beside its tables: how far all of them are, what was under way, and what it has counted.

It is a property of the table of dead letters. What a table holds is said by the table alone, in the commits of its
rows: the ledger says which messages are worth to be looked at, and which were being added when a process ended.
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
"""The beginning of the table property; the stream's name is its end."""
DEAD_LETTERS_SUFFIX = "__dead_letters"
KEPT_METADATA = 20
"""How many earlier metadata files of the table are kept: the ledger is written with everything that is added."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Messages that are being added.

    Attributes:
        begin: By topic and partition, the offset of the first of them.
        end: How far the stream is with them.
    """

    begin: Mapping[str, Mapping[int, int]]
    end: StreamPosition


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far behind a partition of a topic the stream was.

    Attributes:
        messages: How many messages it had not added.
        newest_ms: When the newest that it has added was written, in milliseconds since 1970; None before the first.
    """

    messages: int
    newest_ms: int | None = None

    def seconds(self, now: datetime) -> float:
        """How old the newest message is that was added, while there are others; 0 where there are none."""
        if not self.messages or self.newest_ms is None:
            return 0.0
        return max(0.0, (now - EPOCH - timedelta(milliseconds=self.newest_ms)).total_seconds())


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of a stream.

    Attributes:
        position: Every table has all messages before this, as far as it was not rolled back since.
        tables: By table, or measurement of a shared one, the sequence of what was added to it last.
        under_way: Messages that were being added when this was written; None: none.
        caught_up_at: When the stream last had added every message that there was; None: never.
        written_at: When this was written.
        lags: How far behind it was, by topic and partition.
        messages: How many messages it has read.
        points: How many rows they have become, those of one point counted once each time it came.
        dead_letters: How many messages, or lines of some, were no points.
        unmatched: How many points were of measurements that lake.yaml does not have, by measurement.
        outside: How many points were older than what is kept.
        replayed: The tables that were rolled back, and get again what they had.
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

    def as_text(self) -> str:
        """The text that it is kept as."""
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
        }
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def of_text(cls, text: str) -> Ledger:
        """Read what `as_text` gave.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
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
        )


@dataclass(frozen=True, slots=True)
class LedgerTable:
    """The table of dead letters, with the ledger.

    Attributes:
        catalog: The catalog.
        stream: The stream's name.
        target: The table.
        provenance: Who writes to it.
    """

    catalog: Catalog
    stream: str
    target: TableTarget
    provenance: Provenance

    @classmethod
    def of(cls, lake: Lake, catalog: Catalog, stream: str, run_id: str) -> LedgerTable:
        """That of a lake's stream."""
        config = lake.source(stream)
        assert isinstance(config, KafkaConfig)
        return cls(catalog, stream, ledger_target(config, stream), Provenance(config.identity, run_id))

    def table(self) -> Table | None:
        """The table; None where it is not there yet.

        Raises:
            CatalogError: The catalog cannot tell.
        """
        return find_table(self.catalog, self.target.identifier)

    def ensure(self) -> None:
        """Make the table unless it is there.

        Raises:
            LakeError: It cannot be made, or is not this stream's.
        """
        table_for(self.catalog, self.target, DEAD_LETTERS, self.provenance)

    def read(self) -> Ledger | None:
        """The ledger; None where nothing was ever read.

        Raises:
            CatalogError: The catalog cannot tell.
        """
        table = self.table()
        return None if table is None else ledger_in(table, self.stream)

    def write(self, ledger: Ledger, before: Ledger | None) -> Ledger:
        """Keep it.

        Args:
            ledger: What is to be kept.
            before: What was kept last: another process must not have written since.

        Returns:
            It as it is kept.

        Raises:
            StreamOvertaken: Another process has.
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
                    remedy="Run one process for each stream; this one has ended, and nothing was added twice",
                )
            return (SetPropertiesUpdate(updates={PROPERTY + self.stream: text}),)

        commit_metadata(self.catalog, self.target, "note how far the stream is in", plan)
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
    """The ledger of a stream, as its table of dead letters has it; None where it has none that can be read."""
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
