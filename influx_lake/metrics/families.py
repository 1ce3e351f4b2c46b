"""The metric families: name, type, labels and help of each. docs/metrics.md lists the same."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TABLE = ("namespace", "table")
STREAM = ("source",)
STREAM_PARTITION = ("source", "topic", "partition")
MEASUREMENT = ("source", "measurement", "namespace", "table")


class Kind(StrEnum):
    """The type of a metric."""

    COUNTER = "counter"
    """It only increases; its name ends in `_total`."""
    GAUGE = "gauge"
    """A current value."""
    HISTOGRAM = "histogram"
    """Counts by bucket, which only increase."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family.

    Attributes:
        name: Its name; a counter's without `_total`.
        kind: Its type.
        labels: The names of its labels.
        help: The help text, with the unit.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str

    @property
    def full_name(self) -> str:
        """Its name in queries."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


def _counter(name: str, labels: tuple[str, ...], text: str) -> Family:
    return Family(name, Kind.COUNTER, labels, text)


def _gauge(name: str, labels: tuple[str, ...], text: str) -> Family:
    return Family(name, Kind.GAUGE, labels, text)


RECORDS = _counter("iceberg_records_written", TABLE, "Rows of the data files that loads added to the table.")
BATCHES = _counter("iceberg_batches_committed", TABLE, "Commits of loads: of windows, tails and roll-ups.")
BYTES = _counter("iceberg_bytes_written", TABLE, "Bytes of the data files that loads added to the table.")
FILES = _counter("iceberg_files_written", TABLE, "Data files that loads added to the table.")
BATCH_ROWS = Family("iceberg_records_per_batch", Kind.HISTOGRAM, TABLE, "Rows that a commit of a load added.")
COMMIT_SECONDS = Family(
    "iceberg_commit_duration_seconds",
    Kind.HISTOGRAM,
    TABLE,
    "Seconds that a commit of a load took: planning, manifests, the catalog's answer, all tries.",
)
CONFLICTS = _counter(
    "iceberg_commit_conflicts", TABLE, "Commits that another writer was before, and that were tried again."
)

TABLE_ROWS = _gauge("influx_lake_table_rows", TABLE, "Rows of the table's current snapshot.")
TABLE_FILES = _gauge("influx_lake_table_data_files", TABLE, "Data files of the table's current snapshot.")
TABLE_DELETES = _gauge("influx_lake_table_delete_files", TABLE, "Files of deletes of the table's current snapshot.")
TABLE_BYTES = _gauge("influx_lake_table_bytes", TABLE, "Bytes of the files of the table's current snapshot.")
TABLE_SNAPSHOTS = _gauge("influx_lake_table_snapshots", TABLE, "Snapshots that the table keeps.")
COMMITTED_AT = _gauge(
    "influx_lake_last_commit_timestamp_seconds", TABLE, "When the table's current snapshot was made, in Unix time."
)
QUARANTINED = _gauge(
    "influx_lake_quarantined_rows", TABLE, "Rows in the quarantine of the table: their values do not fit its columns."
)

LAG = _gauge("influx_lake_lag_seconds", MEASUREMENT, "Seconds since the end of the newest time that is loaded.")
WATERMARK = _gauge(
    "influx_lake_loaded_until_timestamp_seconds",
    MEASUREMENT,
    "The end of the newest time that is loaded, in Unix time.",
)
DUE = _gauge(
    "influx_lake_windows_due", MEASUREMENT, "Windows that have closed and whose lag has passed, loaded or not."
)
MISSING = _gauge("influx_lake_windows_missing", MEASUREMENT, "Windows that are due and not loaded.")
PROVED = _gauge(
    "influx_lake_windows_proved",
    MEASUREMENT,
    "Windows that are proved to be the source's, value by value; those apart that are off-loaded.",
)
OFFLOADED = _gauge(
    "influx_lake_windows_offloaded", MEASUREMENT, "Windows that are deleted at the source, and kept in the lake."
)
DIFFERING = _gauge(
    "influx_lake_windows_differing",
    MEASUREMENT,
    "Windows that differed from the source when they were last compared, and were not loaded since.",
)
SOURCE_ROWS = _gauge(
    "influx_lake_compared_source_rows", MEASUREMENT, "Rows of the newest window that was compared, in the source."
)
LAKE_ROWS = _gauge(
    "influx_lake_compared_lake_rows",
    MEASUREMENT,
    "Rows of the newest window that was compared, in the table and its quarantine.",
)
COMPARED_AT = _gauge(
    "influx_lake_compared_timestamp_seconds",
    MEASUREMENT,
    "When a window was last compared with its source, in Unix time.",
)

LOADS = _counter("influx_lake_loads", ("measurement",), "Loads that succeeded, those that found nothing new too.")
LOAD_FAILURES = _counter(
    "influx_lake_load_failures", ("measurement", "reason"), "Loads that failed, by the class of the error."
)
LOAD_SECONDS = _counter(
    "influx_lake_load_seconds",
    (*TABLE, "phase"),
    "Seconds that loads spent waiting for the source, writing, committing.",
)
LOAD_QUARANTINED = _counter(
    "influx_lake_quarantined_rows_written", TABLE, "Rows that loads put into the quarantine of the table."
)
RETRIES = _counter(
    "influx_lake_source_retries", ("reason",), "Requests to sources that failed and were made again, by class of error."
)
LINEAGE_FAILURES = _counter("influx_lake_lineage_failures", (), "Lineage events that could not be delivered.")

STREAM_LAG = _gauge(
    "influx_lake_stream_lag_messages", STREAM_PARTITION, "Messages that the stream had not added when it last looked."
)
STREAM_LAG_SECONDS = _gauge(
    "influx_lake_stream_lag_seconds",
    STREAM_PARTITION,
    "Age of the newest message that the stream has added, while there were others; 0 where there were none.",
)
STREAM_LEVEL_AT = _gauge(
    "influx_lake_stream_level_timestamp_seconds",
    STREAM,
    "When the stream last had added every message that there was, in Unix time.",
)
STREAM_WRITTEN_AT = _gauge(
    "influx_lake_stream_updated_timestamp_seconds",
    STREAM,
    "When the stream last said how far it is, in Unix time: a minute ago at most while it runs.",
)
STREAM_MESSAGES = _counter("influx_lake_stream_messages", STREAM, "Messages that the stream has read.")
STREAM_POINTS = _counter("influx_lake_stream_points", STREAM, "Rows that they became, and were joined with.")
STREAM_DEAD = _counter("influx_lake_stream_dead_letters", STREAM, "Messages, or lines of them, that were no points.")
STREAM_UNMATCHED = _counter(
    "influx_lake_stream_unmatched_points", STREAM, "Points of measurements that lake.yaml does not have."
)
STREAM_OUTSIDE = _counter(
    "influx_lake_stream_outside_points", STREAM, "Points from before anything is kept, which were left out."
)

CATALOG_UP = _gauge("influx_lake_catalog_up", (), "Whether the catalog answered: 1 or 0.")
UNREADABLE = _gauge(
    "influx_lake_unreadable_tables", (), "Tables whose figures could not be read; their last ones are told."
)
FIGURES_AGE = _gauge("influx_lake_figures_age_seconds", (), "Seconds since the table that was read first was read.")
COLLECTING = _gauge("influx_lake_collecting_seconds", (), "Seconds that the last reading of tables took.")
BUILD = _gauge("influx_lake_build_info", ("version",), "1, with the version of influx-lake.")

FAMILIES: tuple[Family, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Family))
"""All families, in the order of this file."""
