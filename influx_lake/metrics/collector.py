"""A `prometheus_client` collector of a lake's metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from influx_lake.config import Lake, Measurement
from influx_lake.errors import MissingExtra, TransientSourceError
from influx_lake.iceberg.commit.window_commit import COMMIT_BOUNDS
from influx_lake.iceberg.table_state.totals import BATCH_BOUNDS
from influx_lake.metrics import families as of
from influx_lake.metrics.families import Family, Kind
from influx_lake.metrics.gauges import LakeFigures, TableFigures
from influx_lake.metrics.journal import Compared, JournalContent, read_journal
from influx_lake.replication.comparison.compare_windows import Verdict
from influx_lake.replication.observing import OTHER_REASON
from influx_lake.replication.streams.ledger import Ledger

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    raise MissingExtra("Metrics for Prometheus", "metrics") from error

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

FRESH_SECONDS = 10.0
"""How long collected metrics are cached, in seconds."""
READING_SECONDS = 8.0
"""How long a scrape reads tables, in seconds: Prometheus times out after 10 s. The other tables are
read by the next.
"""
Histogram = tuple[list[tuple[str, float]], float]
"""A histogram: cumulative buckets and sum."""
Sample = float | Histogram
Samples = Mapping[tuple[str, ...], Sample]
"""The samples of a metric by the values of its labels."""


class LakeCollector(Collector):
    """The metrics of a lake, from its tables and its journal, at the moment of a scrape.

    Args:
        lake: Returns the lake, as it is now.
        open_catalog: Opens its catalog.
        reading_seconds: How long a scrape reads tables, in seconds; None: until all are read.
    """

    def __init__(
        self,
        lake: Callable[[], Lake],
        open_catalog: Callable[[], Catalog],
        *,
        reading_seconds: float | None = READING_SECONDS,
    ) -> None:
        self._lake = lake
        self._figures = LakeFigures(lake, open_catalog)
        self._reading_seconds = reading_seconds
        self._lock = threading.Lock()
        self._collected: tuple[float, tuple[Metric, ...]] | None = None

    def describe(self) -> Iterable[Metric]:
        """The metrics without samples: registration must not read anything."""
        return [_metric(family) for family in of.FAMILIES]

    def collect(self) -> Iterable[Metric]:
        """The metrics, collected anew at most every `FRESH_SECONDS`.

        Raises:
            StorageError: The journal cannot be read.
        """
        with self._lock:
            if self._collected is None or time.monotonic() - self._collected[0] >= FRESH_SECONDS:
                self._figures.refresh(self._reading_seconds)
                values = self._values(read_journal(self._lake().root))
                self._collected = time.monotonic(), tuple(_metric(each, values[each]) for each in of.FAMILIES)
            return self._collected[1]

    def _values(self, kept: JournalContent) -> dict[Family, Samples]:
        tables = list(self._figures.tables.values())
        found = {
            **_table_samples(tables),
            **_measurement_samples(tables, kept.comparisons, datetime.now(UTC)),
            **_load_samples(kept, tables),
            **_stream_samples(self._figures.streams, datetime.now(UTC)),
        }
        return {
            **found,
            of.CATALOG_UP: {(): float(self._figures.is_up)},
            of.UNREADABLE: {(): len(self._figures.unreadable)},
            of.FIGURES_AGE: {(): self._figures.age},
            of.COLLECTING: {(): self._figures.seconds},
            of.BUILD: {(version("influx-lake"),): 1.0},
        }


def _table_samples(tables: Sequence[TableFigures]) -> dict[Family, Samples]:
    found: dict[Family, dict[tuple[str, ...], Sample]] = {
        family: {}
        for family in (
            *(of.RECORDS, of.BATCHES, of.BYTES, of.FILES, of.BATCH_ROWS, of.QUARANTINED, of.COMMITTED_AT),
            *(of.TABLE_ROWS, of.TABLE_FILES, of.TABLE_DELETES, of.TABLE_BYTES, of.TABLE_SNAPSHOTS),
        )
    }
    for each in tables:
        labels, totals = _labels(each.table.target.identifier), each.totals
        found[of.RECORDS][labels] = totals.rows
        found[of.BATCHES][labels] = totals.commits
        found[of.BYTES][labels] = totals.bytes
        found[of.FILES][labels] = totals.files
        found[of.BATCH_ROWS][labels] = _buckets(BATCH_BOUNDS, totals.batches), float(totals.rows)
        found[of.TABLE_ROWS][labels] = each.current.get("total-records", 0)
        found[of.TABLE_FILES][labels] = each.current.get("total-data-files", 0)
        found[of.TABLE_DELETES][labels] = each.current.get("total-delete-files", 0)
        found[of.TABLE_BYTES][labels] = each.current.get("total-files-size", 0)
        found[of.TABLE_SNAPSHOTS][labels] = each.snapshots
        if each.committed_at is not None:
            found[of.COMMITTED_AT][labels] = each.committed_at.timestamp()
        found[of.QUARANTINED].setdefault(_labels(each.table.measurement.identifier), 0.0)
        if each.table.is_quarantine:
            own = _labels(each.table.measurement.identifier)
            found[of.QUARANTINED][own] = each.current.get("total-records", 0)
    return dict(found)


def _measurement_samples(
    tables: Sequence[TableFigures], comparisons: Mapping[str, Sequence[Compared]], now: datetime
) -> dict[Family, Samples]:
    found: dict[Family, dict[tuple[str, ...], Sample]] = {
        family: {}
        for family in (
            *(of.LAG, of.WATERMARK, of.DUE, of.MISSING, of.PROVED, of.OFFLOADED),
            *(of.DIFFERING, of.SOURCE_ROWS, of.LAKE_ROWS, of.COMPARED_AT),
        )
    }
    for each in (measured for table in tables for measured in table.measurements):
        labels, compared = _labels_of(each.measurement), comparisons.get(each.measurement.full_name, ())
        found[of.DUE][labels] = each.due
        found[of.MISSING][labels] = each.missing
        found[of.PROVED][labels] = each.proved
        found[of.OFFLOADED][labels] = each.offloaded
        found[of.DIFFERING][labels] = sum(one.verdict != Verdict.EQUAL for one in compared)
        if each.newest is not None:
            found[of.LAG][labels] = (now - each.newest).total_seconds()
            found[of.WATERMARK][labels] = each.newest.timestamp()
        if compared:
            found[of.SOURCE_ROWS][labels] = compared[-1].source_rows
            found[of.LAKE_ROWS][labels] = compared[-1].lake_rows
            found[of.COMPARED_AT][labels] = max(one.at for one in compared).timestamp()
    return dict(found)


def _stream_samples(streams: Mapping[str, Ledger], now: datetime) -> dict[Family, Samples]:
    counted: dict[Family, Callable[[Ledger], float]] = {
        of.STREAM_MESSAGES: lambda each: each.messages,
        of.STREAM_POINTS: lambda each: each.points,
        of.STREAM_DEAD: lambda each: each.dead_letters,
        of.STREAM_UNMATCHED: lambda each: sum(each.unmatched.values()),
        of.STREAM_OUTSIDE: lambda each: each.outside,
        of.STREAM_WRITTEN_AT: lambda each: each.written_at.timestamp(),
    }
    found: dict[Family, Samples] = {
        family: {(name,): float(count(each)) for name, each in streams.items()} for family, count in counted.items()
    }
    found[of.STREAM_LEVEL_AT] = {
        (name,): each.caught_up_at.timestamp() for name, each in streams.items() if each.caught_up_at is not None
    }
    lags = {
        (name, topic, str(partition)): lag
        for name, each in streams.items()
        for topic, partitions in each.lags.items()
        for partition, lag in partitions.items()
    }
    found[of.STREAM_LAG] = {labels: float(lag.messages) for labels, lag in lags.items()}
    found[of.STREAM_LAG_SECONDS] = {labels: lag.seconds(now) for labels, lag in lags.items()}
    return found


_COUNTED = {
    "commit_conflicts": of.CONFLICTS,
    "load_failures": of.LOAD_FAILURES,
    "load_seconds": of.LOAD_SECONDS,
    "loads": of.LOADS,
    "quarantined_rows": of.LOAD_QUARANTINED,
    "source_retries": of.RETRIES,
    "lineage_failures": of.LINEAGE_FAILURES,
}
_DURATION = "commit_duration_seconds"


def _load_samples(kept: JournalContent, tables: Sequence[TableFigures]) -> dict[Family, Samples]:
    found: dict[Family, dict[tuple[str, ...], Sample]] = {family: {} for family in _COUNTED.values()}
    # Counters start at 0: for Prometheus, one that appears with 1 has not increased.
    for each in tables:
        place = _labels(each.table.target.identifier)
        found[of.CONFLICTS][place] = found[of.LOAD_QUARANTINED][place] = 0.0
        for measured in each.measurements:
            name = measured.measurement.name
            found[of.LOADS][name,] = found[of.LOAD_FAILURES][name, OTHER_REASON] = 0.0
    found[of.RETRIES] |= {(reason.__name__,): 0.0 for reason in TransientSourceError.__subclasses__()}
    classes: dict[tuple[str, ...], dict[str, float]] = {}
    sums: dict[tuple[str, ...], float] = {}
    for (name, pairs), value in kept.counters.items():
        labels = dict(pairs)
        if "table" in labels:
            labels |= dict(zip(of.TABLE, _labels(labels["table"].split(".")), strict=True))
        if name in _COUNTED:
            family = _COUNTED[name]
            found[family][tuple(labels.get(label, "") for label in family.labels)] = value
        elif name == f"{_DURATION}_bucket":
            classes.setdefault(_table_labels(labels), {})[labels["le"]] = value
        elif name == f"{_DURATION}_sum":
            sums[_table_labels(labels)] = value
    bounds = [f"{bound:g}" for bound in COMMIT_BOUNDS]
    durations: dict[tuple[str, ...], Sample] = {
        table: (_buckets(COMMIT_BOUNDS, [counts.get(each, 0.0) for each in (*bounds, "+Inf")]), sums.get(table, 0.0))
        for table, counts in classes.items()
    }
    found[of.LINEAGE_FAILURES].setdefault((), 0.0)
    return {**found, of.COMMIT_SECONDS: durations}


_MADE: dict[Kind, Any] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}


def _metric(family: Family, values: Samples | None = None) -> Metric:
    made: Any = _MADE[family.kind](family.name, family.help, labels=family.labels)
    for labels, sample in (values or {}).items():
        made.add_metric(labels, *(sample if isinstance(sample, tuple) else (sample,)))
    metric: Metric = made
    return metric


def _buckets(bounds: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    """Bucket counts, made cumulative."""
    return list(zip([*(str(float(each)) for each in bounds), "+Inf"], accumulate(counts), strict=True))


def _labels(identifier: Sequence[str]) -> tuple[str, str]:
    return ".".join(identifier[:-1]), identifier[-1]


def _table_labels(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels[label] for label in of.TABLE)


def _labels_of(measurement: Measurement) -> tuple[str, ...]:
    return (measurement.source, measurement.name, *_labels(measurement.identifier))
