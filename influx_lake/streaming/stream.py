"""A stream: the position of its tables in the topics, and how messages are added exactly once, whatever dies.

Messages are added in steps, each with a higher sequence. The ledger records which messages are under way before any
table gets them, and that they are done after all tables have them. After a kill, the step is repeated for the tables
whose own commits do not record it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from influx_lake.config import Lake, Measurement
from influx_lake.config.connections import KafkaConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import PermanentSourceError
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.streams.position import StreamPosition, position_in
from influx_lake.replication.streams.ledger import Ledger, LedgerTable, PartitionLag, UnderWay
from influx_lake.sources.messages.batch import batch_source
from influx_lake.sources.messages.message import Offsets
from influx_lake.sources.messages.message_parser import Read
from influx_lake.streaming.dead_letters import add_dead_letters
from influx_lake.streaming.message_append import MeasurementMessages
from influx_lake.streaming.routing import Routing
from influx_lake.streaming.steps import Step, Topics, begin_of, in_pieces

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

MOST_NAMES = 100
"""How many names without a measurement in lake.yaml are counted one by one."""
_OTHERS = "(others)"

log = logging.getLogger("influx_lake.streaming")


@dataclass(slots=True)
class Replay:
    """A table that was rolled back, and gets its earlier messages again.

    Attributes:
        table: The table, or the measurement of a shared one.
        offsets: Its position.
    """

    table: str
    offsets: Offsets


@dataclass(slots=True)
class Stream:
    """A stream of a lake.

    Attributes:
        lake: The lake.
        catalog: Its catalog.
        name: The stream's name: that of its source.
        run_id: The run, recorded in the snapshots.
        identities: Returns the identities of a measurement's sources, its own first.
        found: Receives the new names that patterns match, by source.
    """

    lake: Lake
    catalog: Catalog
    name: str
    run_id: str
    identities: Callable[[Measurement], tuple[str, ...]]
    found: Callable[[Mapping[str, set[str]]], None] = lambda found: None
    config: KafkaConfig = field(init=False)
    routing: Routing = field(init=False)
    _table: LedgerTable = field(init=False)
    _ledger: Ledger | None = None

    def __post_init__(self) -> None:
        config = self.lake.source(self.name)
        assert isinstance(config, KafkaConfig)
        self.config = config
        self.routing = Routing(self.lake, self.name)
        self._table = LedgerTable.of(self.lake, self.catalog, self.name, self.run_id)

    @property
    def ledger(self) -> Ledger:
        """The ledger of the opened stream."""
        assert self._ledger is not None
        return self._ledger

    def open(self, topics: Topics, *, accept_loss: bool = False) -> None:
        """Read the stream's position, and complete what a process left undone that was killed.

        Args:
            topics: The topics.
            accept_loss: Whether to continue where topics no longer have messages that were not added.

        Raises:
            PermanentSourceError: Topics no longer have such messages, and `accept_loss` is not set.
            LakeError: The class tells what can be done.
        """
        self._table.ensure()
        partitions = topics.partitions()
        begins, ends = topics.begins(partitions), topics.ends(partitions)
        self._ledger = self._table.read()
        if self._ledger is None:
            self._keep(self._first_ledger(begins, ends))
        self._check_messages_exist(begins, ends, topics.ids(), accept_loss=accept_loss)
        behind = self._set_back()
        if behind.keys() - self.ledger.replayed:
            self._keep(replace(self.ledger, replayed=frozenset(behind)))
        self._finish(topics)
        for name, held in behind.items():
            self._replay(topics, begins, Replay(name, held.offsets if held else {}))

    def starts(self, partitions: Mapping[str, Sequence[int]]) -> dict[str, dict[int, int]]:
        """Where to continue in each partition; in a new one at -2, the oldest message (Kafka's and Spark's number)."""
        known = self.ledger.position.offsets
        return {
            topic: {each: known.get(topic, {}).get(each, -2) for each in found} for topic, found in partitions.items()
        }

    def add(self, step: Step, replay: Replay | None = None) -> None:
        """Add messages to the tables, and record that in the ledger.

        Args:
            step: The messages.
            replay: The rolled back table that alone gets the messages; None: all tables get them.

        Raises:
            StreamOvertaken: Another process of the stream runs.
            StreamSetBack: A table was rolled back meanwhile.
            LakeError: The class tells what can be done; the step under way is repeated later.
        """
        if not step.reads:
            return
        ledger, end = self.ledger, self._end_of(step, replay)
        repeated = ledger.under_way is not None
        if not repeated and replay is None:
            ledger = self._keep(replace(ledger, under_way=UnderWay(begin_of(step), end)))
        names = dict.fromkeys(key.name for unit in step.units for key in unit.measurements)
        routed = self.routing.measurements(names)
        work = [
            MeasurementMessages(
                self.config,
                step.units,
                self.catalog,
                each,
                end,
                ledger.tables.get(each.full_name, 0) if replay is None else 0,
                self.run_id,
                (*self.identities(each), self.config.identity),
            )
            for measurements in routed.values()
            for each in measurements
            if (each.full_name == replay.table if replay else each.full_name not in ledger.replayed)
        ]
        if discovered := self.routing.discovered():
            self.found(discovered)
        outside = sum(each.count_outside() for each in work)
        work = [each for each in work if not each.is_outside]
        with ThreadPoolExecutor(self.config.tables_at_once, "table") as threads:
            futures = [threads.submit(copy_context().run, _add, each, repeated) for each in work]
        rows = [future.result() for future in futures]
        tables = {**ledger.tables, **{each.measurement.full_name: end.sequence for each in work}}
        if replay is not None:
            replay.offsets = end.offsets
            self._keep(replace(ledger, tables=tables, position=replace(end, offsets=ledger.position.offsets)))
            return
        add_dead_letters(self._table, step.dead, end)
        strangers = {name: _count(self.config, step, name) for name, found in routed.items() if not found}
        self._keep(
            replace(
                ledger,
                position=end,
                under_way=None,
                tables=tables,
                messages=ledger.messages + sum(each.messages for each in step.reads),
                points=ledger.points + sum(rows),
                dead_letters=ledger.dead_letters + len(step.dead),
                unmatched=_with_counts(ledger.unmatched, strangers),
                lags=_with_newest(ledger.lags, step.reads),
                outside=ledger.outside + outside,
            )
        )

    def note_lag(self, topics: Topics, read: Offsets | None = None) -> None:
        """Record the lag of each partition, and the current time if there is none.

        Args:
            topics: The topics.
            read: The offsets up to which everything was added, if they are ahead of the messages.

        Raises:
            LakeError: The brokers or the catalog fail.
        """
        now = datetime.now(UTC)
        partitions = topics.partitions()
        starts = _furthest(self.ledger.position.offsets, read or {})
        ends = topics.ends(partitions)
        lags: dict[str, dict[int, PartitionLag]] = {}
        for topic, found in ends.items():
            for each, end in found.items():
                # All messages of a new partition are to be added.
                start = starts.get(topic, {}).get(each, 0)
                known = self.ledger.lags.get(topic, {}).get(each, PartitionLag(0))
                lags.setdefault(topic, {})[each] = replace(known, messages=max(0, end - start))
        is_behind = any(lag.messages for found in lags.values() for lag in found.values())
        caught_up = self.ledger.caught_up_at if is_behind else now
        position = replace(self.ledger.position, offsets=starts)
        self._keep(replace(self.ledger, position=position, lags=lags, caught_up_at=caught_up))

    def _keep(self, ledger: Ledger) -> Ledger:
        self._ledger = self._table.write(ledger, self._ledger)
        return self._ledger

    def _first_ledger(self, begins: Offsets, ends: Offsets) -> Ledger:
        """The ledger of a stream without one: at the position of its tables, else at that of `start`."""
        positions = {each.full_name: self._held(each) for each in self._streamed()}
        held = {name: position for name, position in positions.items() if position is not None}
        start = begins if self.config.start == "earliest" else ends
        if not held:
            return Ledger(StreamPosition(self.name, 0, {topic: dict(found) for topic, found in start.items()}))
        log.warning("%s: its ledger is missing: it continues where the table furthest behind is", self.name)
        if without := sorted(positions.keys() - held.keys()):
            log.warning(
                "%s: %s no points of it yet; if a table was dropped, the earlier messages are not added to it again",
                self.name,
                f"{without[0]} has" if len(without) == 1 else f"{without[0]} and {len(without) - 1} more have",
            )
        offsets = {
            topic: {
                each: min(one.offsets.get(topic, {}).get(each, at) for one in held.values())
                for each, at in found.items()
            }
            for topic, found in begins.items()
        }
        position = StreamPosition(self.name, max(each.sequence for each in held.values()), offsets)
        return Ledger(position, tables={name: each.sequence for name, each in held.items()})

    def _check_messages_exist(
        self, begins: Offsets, ends: Offsets, ids: Mapping[str, str], *, accept_loss: bool
    ) -> None:
        """Check that the topics have the next messages to add.

        Raises:
            PermanentSourceError: They do not, and `accept_loss` is not set.
        """
        under_way = self.ledger.under_way
        position = {**self.ledger.position.offsets, **(under_way.begin if under_way else {})}
        lost, kept = list[str](), {topic: dict(found) for topic, found in self.ledger.position.offsets.items()}
        known = self.ledger.topic_ids
        for topic in sorted(topic for topic, each in ids.items() if known.get(topic, each) != each):
            lost.append(f"{topic}: it was deleted and created again")
            kept[topic] = dict(begins.get(topic, {}))
            position.pop(topic, None)
        for topic, found in position.items():
            for each, at in found.items():
                begin, end = begins.get(topic, {}).get(each), ends.get(topic, {}).get(each)
                if begin is None or end is None:
                    continue
                if at < begin or at > end:
                    why = f"{begin - at:,} messages before offset {begin:,}" if at < begin else "it was recreated"
                    lost.append(f"{topic}, partition {each}: {why}")
                    kept.setdefault(topic, {})[each] = begin
        if not lost:
            if known != ids:
                self._keep(replace(self.ledger, topic_ids=ids))
            return
        message = f"the topics no longer have messages that the stream {self.name} has not added: {'; '.join(lost)}"
        if not accept_loss:
            raise PermanentSourceError(
                message,
                remedy="Load the windows of that time from a database or from files, and start the stream with "
                "--accept-loss: it continues with the messages that exist",
            )
        log.warning("%s (accepted)", message)
        position_now = replace(self.ledger.position, offsets=kept)
        self._keep(replace(self.ledger, position=position_now, under_way=None, topic_ids=ids))

    def _finish(self, topics: Topics) -> None:
        """Add the messages of an interrupted step to the tables that lack them."""
        under_way = self.ledger.under_way
        if under_way is None:
            return
        log.info("%s: messages of an interrupted step are added to the tables that lack them", self.name)
        topics.between(under_way.begin, under_way.end.offsets, self.add)
        if self.ledger.under_way is not None:
            # The topics no longer have any of the messages.
            self._keep(replace(self.ledger, position=under_way.end, under_way=None))

    def _replay(self, topics: Topics, begins: Offsets, replay: Replay) -> None:
        """Add the earlier messages of a rolled back table again, as far as the topics have them."""
        log.warning("%s: %s was rolled back, and gets its earlier messages again", self.name, replay.table)
        end = self.ledger.position.offsets
        begin = {
            topic: {each: max(at, replay.offsets.get(topic, {}).get(each, at)) for each, at in found.items()}
            for topic, found in begins.items()
            if topic in end
        }
        for begun, ended in in_pieces(begin, end, self.config.max_messages):
            topics.between(begun, ended, partial(self.add, replay=replay))
        measurement = next((each for each in self._streamed() if each.full_name == replay.table), None)
        held = measurement and self._held(measurement)
        tables = {**self.ledger.tables, replay.table: held.sequence if held else 0}
        self._keep(replace(self.ledger, tables=tables, replayed=self.ledger.replayed - {replay.table}))

    def _set_back(self) -> dict[str, StreamPosition | None]:
        """The tables that lack messages which were added to them, with their positions."""
        found: dict[str, StreamPosition | None] = {}
        for each in self._streamed():
            if last := self.ledger.tables.get(each.full_name, 0):
                held = self._held(each)
                if each.full_name in self.ledger.replayed or held is None or held.sequence < last:
                    found[each.full_name] = held
        return found

    def _held(self, measurement: Measurement) -> StreamPosition | None:
        """The stream's position in a table."""
        return position_in(find_table(self.catalog, measurement.identifier, measurement.share), self.name)

    def _streamed(self) -> list[Measurement]:
        return [each for each in self.lake.measurements if each.stream == self.name]

    def _end_of(self, step: Step, replay: Replay | None) -> StreamPosition:
        """The position after some messages: of the stream, or of the table that is replayed."""
        ledger = self.ledger
        if ledger.under_way is not None and replay is None:
            return ledger.under_way.end
        before = ledger.position.offsets if replay is None else replay.offsets
        offsets = {topic: dict(found) for topic, found in before.items()}
        for each in step.reads:
            known = offsets.setdefault(each.topic, {})
            known[each.partition] = max(each.next, known.get(each.partition, 0))
        return StreamPosition(self.name, ledger.position.sequence + 1, offsets)


def _add(messages: MeasurementMessages, repeated: bool) -> int:
    """Add the points of a measurement; returns the number of rows."""
    if repeated and messages.is_added():
        return 0
    return messages.add().rows


def _count(config: KafkaConfig, step: Step, name: str) -> int:
    """The number of points of a measurement in some messages."""
    everything = Window(datetime(1677, 9, 22, tzinfo=UTC), datetime(2262, 4, 11, tzinfo=UTC))
    return batch_source(config, step.units).count(name, everything)


def _with_counts(known: Mapping[str, int], found: Mapping[str, int]) -> dict[str, int]:
    counts = dict(known)
    for name, count in found.items():
        place = name if name in counts or len(counts) < MOST_NAMES else _OTHERS
        counts[place] = counts.get(place, 0) + count
    return counts


def _with_newest(
    known: Mapping[str, Mapping[int, PartitionLag]], reads: Sequence[Read]
) -> dict[str, dict[int, PartitionLag]]:
    lags = {topic: dict(found) for topic, found in known.items()}
    for each in reads:
        before = lags.setdefault(each.topic, {}).get(each.partition, PartitionLag(0))
        newest = max(each.newest, before.newest_ms or each.newest)
        lags[each.topic][each.partition] = replace(before, newest_ms=newest)
    return lags


def _furthest(one: Offsets, other: Offsets) -> dict[str, dict[int, int]]:
    found = {topic: dict(offsets) for topic, offsets in one.items()}
    for topic, offsets in other.items():
        known = found.setdefault(topic, {})
        known.update({each: max(at, known.get(each, at)) for each, at in offsets.items()})
    return found
