"""A stream: which messages its tables have, and how the next ones are added to all of them, whenever it is killed.

Messages are added in steps, each with a higher sequence. The ledger says which messages are under way before any table
gets some, and that they are done after all have: a step that a kill cut short is done again, for those tables that do
not say in their own commits that they have it.
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
from influx_lake.streaming.adding import MeasurementMessages
from influx_lake.streaming.dead_letters import add_dead_letters
from influx_lake.streaming.routing import Routing
from influx_lake.streaming.steps import Step, Topics, begin_of, in_pieces

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

MOST_NAMES = 100
"""How many measurements that lake.yaml does not have are counted by name."""
_OTHERS = "(others)"

log = logging.getLogger("influx_lake.streaming")


@dataclass(slots=True)
class Replay:
    """A table that was rolled back, and gets again what it had.

    Attributes:
        table: The table, or the measurement of a shared one.
        offsets: How far it is.
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
        run_id: Who adds; kept in the snapshots.
        identities: Tells the identities of the sources of a measurement, its own first.
        found: Told of names of measurements that patterns match and that are new, by source.
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
        """What is known of the stream, once it was opened."""
        assert self._ledger is not None
        return self._ledger

    def open(self, topics: Topics, *, accept_loss: bool = False) -> None:
        """Find out how far the stream is, and finish what a process did not that was ended.

        Args:
            topics: The topics.
            accept_loss: Whether to go on where the topics no longer have messages that were not added.

        Raises:
            PermanentSourceError: They do not.
            LakeError: Of the class that says what can be done about it.
        """
        self._table.ensure()
        partitions = topics.partitions()
        begins, ends = topics.begins(partitions), topics.ends(partitions)
        self._ledger = self._table.read()
        if self._ledger is None:
            self._keep(Ledger(self._first_position(begins, ends)))
        self._check_there(begins, ends, accept_loss=accept_loss)
        behind = self._set_back()
        if behind.keys() - self.ledger.replayed:
            self._keep(replace(self.ledger, replayed=frozenset(behind)))
        self._finish(topics)
        for name, held in behind.items():
            self._replay(topics, begins, Replay(name, held.offsets if held else {}))

    def starts(self, partitions: Mapping[str, Sequence[int]]) -> dict[str, dict[int, int]]:
        """Where to go on in each partition; -2, the oldest message, in one that is new (Spark's and Kafka's number)."""
        known = self.ledger.position.offsets
        return {
            topic: {each: known.get(topic, {}).get(each, -2) for each in found} for topic, found in partitions.items()
        }

    def add(self, step: Step, replay: Replay | None = None) -> None:
        """Add messages to the tables, and note that they are there.

        Args:
            step: The messages.
            replay: The table that gets them, where it alone had been rolled back; None: all get them.

        Raises:
            StreamOvertaken: Another process of the stream runs.
            StreamSetBack: A table was rolled back meanwhile.
            LakeError: Of the class that says what can be done about it; what is under way is done again later.
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

    def note_lag(self, topics: Topics) -> None:
        """Note how far the stream is behind, and that it is not where it has added all that there is.

        Raises:
            LakeError: The brokers or the catalog fail.
        """
        now = datetime.now(UTC)
        partitions = topics.partitions()
        ends, starts = topics.ends(partitions), self.ledger.position.offsets
        lags: dict[str, dict[int, PartitionLag]] = {}
        for topic, found in ends.items():
            for each, end in found.items():
                # Of a partition that is new all messages are to be added.
                start = starts.get(topic, {}).get(each, 0)
                known = self.ledger.lags.get(topic, {}).get(each, PartitionLag(0))
                lags.setdefault(topic, {})[each] = replace(known, messages=max(0, end - start))
        is_behind = any(lag.messages for found in lags.values() for lag in found.values())
        caught_up = self.ledger.caught_up_at if is_behind else now
        self._keep(replace(self.ledger, lags=lags, caught_up_at=caught_up))

    def _keep(self, ledger: Ledger) -> Ledger:
        self._ledger = self._table.write(ledger, self._ledger)
        return self._ledger

    def _first_position(self, begins: Offsets, ends: Offsets) -> StreamPosition:
        """Where a stream begins that has no ledger: where its tables are, or where the source says."""
        held = [position for each in self._streamed() if (position := self._held(each)) is not None]
        start = begins if self.config.start == "earliest" else ends
        if not held:
            return StreamPosition(self.name, 0, {topic: dict(found) for topic, found in start.items()})
        log.warning("%s: its dead letters are gone: it goes on where the last of its tables is", self.name)
        offsets = {
            topic: {each: min(one.offsets.get(topic, {}).get(each, at) for one in held) for each, at in found.items()}
            for topic, found in begins.items()
        }
        return StreamPosition(self.name, max(each.sequence for each in held), offsets)

    def _check_there(self, begins: Offsets, ends: Offsets, *, accept_loss: bool) -> None:
        """Make sure that the topics have the messages that are to be added next.

        Raises:
            PermanentSourceError: They do not.
        """
        under_way = self.ledger.under_way
        position = {**self.ledger.position.offsets, **(under_way.begin if under_way else {})}
        lost, kept = list[str](), {topic: dict(found) for topic, found in self.ledger.position.offsets.items()}
        for topic, found in position.items():
            for each, at in found.items():
                begin, end = begins.get(topic, {}).get(each), ends.get(topic, {}).get(each)
                if begin is None or end is None:
                    continue
                if at < begin or at > end:
                    why = f"{begin - at:,} messages before offset {begin:,}" if at < begin else "it was made anew"
                    lost.append(f"{topic}, partition {each}: {why}")
                    kept.setdefault(topic, {})[each] = begin
        if not lost:
            return
        message = f"the topics no longer have messages that the stream {self.name} has not added: {'; '.join(lost)}"
        if not accept_loss:
            raise PermanentSourceError(
                message,
                remedy="Load the windows of that time from a database or from files, and start the stream with "
                "--accept-loss: it goes on with what is there",
            )
        log.warning("%s (accepted)", message)
        position_now = replace(self.ledger.position, offsets=kept)
        self._keep(replace(self.ledger, position=position_now, under_way=None))

    def _finish(self, topics: Topics) -> None:
        """Add messages that were being added when a process ended to the tables that lack them."""
        under_way = self.ledger.under_way
        if under_way is None:
            return
        log.info("%s: messages that were being added are added to the tables that lack them", self.name)
        topics.between(under_way.begin, under_way.end.offsets, self.add)
        if self.ledger.under_way is not None:
            # Of the messages none is left.
            self._keep(replace(self.ledger, position=under_way.end, under_way=None))

    def _replay(self, topics: Topics, begins: Offsets, replay: Replay) -> None:
        """Add again what a table had that was rolled back, as far as the topics have it."""
        log.warning("%s: %s was rolled back, and gets again what it had", self.name, replay.table)
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
        """The tables that lack what was added to them, and how far they are."""
        found: dict[str, StreamPosition | None] = {}
        for each in self._streamed():
            if last := self.ledger.tables.get(each.full_name, 0):
                held = self._held(each)
                if each.full_name in self.ledger.replayed or held is None or held.sequence < last:
                    found[each.full_name] = held
        return found

    def _held(self, measurement: Measurement) -> StreamPosition | None:
        """How far the stream is in a table."""
        return position_in(find_table(self.catalog, measurement.identifier, measurement.share), self.name)

    def _streamed(self) -> list[Measurement]:
        return [each for each in self.lake.measurements if each.stream == self.name]

    def _end_of(self, step: Step, replay: Replay | None) -> StreamPosition:
        """How far the stream is with some messages; a table that is replayed, how far it is."""
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
    """Add the points of a measurement, and return how many rows they were."""
    if repeated and messages.is_added():
        return 0
    return messages.add().rows


def _count(config: KafkaConfig, step: Step, name: str) -> int:
    """How many points messages have of a measurement."""
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
