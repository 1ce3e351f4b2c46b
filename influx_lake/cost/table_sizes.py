"""Sizes of the lake's tables by month, from table metadata alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.windows import EPOCH, MICROSECOND
from influx_lake.errors import TableUnsupported
from influx_lake.iceberg.columns.known_columns import actual, time_field
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.history.log import history
from influx_lake.iceberg.scan.manifest_cache import manifests_of, planned_files
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.scan.share_files import sole_value
from influx_lake.maintenance.tables import MaintainedTable, tables_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

METADATA_OBJECTS = 3
"""The least number of metadata objects of a commit: manifest, manifest list, metadata file."""


@dataclass(slots=True)
class Amount:
    """An amount of data in files.

    Attributes:
        bytes: The size of the files in bytes.
        rows: The number of rows in them.
        files: The number of files.
    """

    bytes: int = 0
    rows: int = 0
    files: int = 0

    def add(self, other: Amount) -> None:
        """Add another amount."""
        self.bytes += other.bytes
        self.rows += other.rows
        self.files += other.files


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a table.

    Attributes:
        first: The earliest time in it; None where the manifest has no bounds.
        last: The latest time in it, likewise.
        bytes: Its size in bytes.
        rows: The number of its rows; 0 for a delete file.
    """

    first: datetime | None
    last: datetime | None
    bytes: int
    rows: int


@dataclass(slots=True)
class Stored:
    """The files of a measurement, roll-up or quarantine.

    Attributes:
        name: The measurement's full name, or the table's.
        kind: `measurement`, `roll-up` or `quarantine`; `shared` are files that hold several measurements.
        files: The files that the current snapshot reads.
    """

    name: str
    kind: str
    files: list[StoredFile] = field(default_factory=list)

    @property
    def total(self) -> Amount:
        """The sum over all files."""
        return _sum(self.files)

    @property
    def months(self) -> dict[str, Amount]:
        """The sums by the month of each file's earliest time: `2026-01`; `?` where it is unknown."""
        found: dict[str, list[StoredFile]] = {}
        for each in self.files:
            found.setdefault("?" if each.first is None else month_of(each.first), []).append(each)
        return {month: _sum(found[month]) for month in sorted(found)}

    def before(self, moment: datetime) -> Amount:
        """The files that lie wholly before a time."""
        return _sum(each for each in self.files if each.last is not None and each.last < moment)


def _sum(files: Iterable[StoredFile]) -> Amount:
    found = Amount()
    for each in files:
        found.add(Amount(each.bytes, each.rows, 1))
    return found


@dataclass(slots=True)
class Overhead:
    """What tables keep besides the files of the current snapshot, and how often they were written.

    Attributes:
        older_bytes: The size of data files that only older snapshots use: they are deleted when these expire.
        metadata_bytes: The size of the current snapshots' manifests.
        commits: The number of commits in each month, as far as their snapshots have not expired.
        objects: The least number of objects that these wrote.
    """

    older_bytes: int = 0
    metadata_bytes: int = 0
    commits: Counter[str] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class StoredLake:
    """The sizes of a lake's tables.

    Attributes:
        tables: The files by measurement, roll-up and quarantine.
        overhead: Older snapshots, metadata and commits.
    """

    tables: tuple[Stored, ...]
    overhead: Overhead

    @property
    def months(self) -> dict[str, Amount]:
        """The sums over all tables by month."""
        found: dict[str, Amount] = {}
        for table in self.tables:
            for month, each in table.months.items():
                found.setdefault(month, Amount()).add(each)
        return dict(sorted(found.items()))

    @property
    def total(self) -> Amount:
        """The sum over all tables."""
        found = Amount()
        for table in self.tables:
            found.add(table.total)
        return found


def stored_lake(lake: Lake, catalog: Catalog, measurements: Collection[Measurement] | None = None) -> StoredLake:
    """Read the sizes of a lake's tables from their metadata; no data file is opened.

    Args:
        lake: The lake.
        catalog: Its catalog.
        measurements: Only the tables of these.

    Raises:
        CatalogError: A table cannot be loaded.
        StorageError: Its metadata cannot be read.
    """
    found: dict[str, Stored] = {}
    overhead = Overhead()
    for each in tables_of(lake, measurements):
        for measurement in each.measurements:
            if each.rollup is None and not each.is_quarantine:
                found.setdefault(measurement.full_name, Stored(measurement.full_name, "measurement"))
        table = find_table(catalog, each.target.identifier)
        if table is None:
            continue
        with catalog_errors(f"look through the files of {each.name}"):
            for owner, file in _files(each, table):
                found.setdefault(owner.name, owner).files.append(file)
            _add_overhead(actual(table), overhead)
    return StoredLake(tuple(each for each in found.values() if each.files or each.kind == "measurement"), overhead)


def month_of(moment: datetime) -> str:
    """The month of a time: `2026-01`."""
    return f"{moment:%Y-%m}"


def _files(of: MaintainedTable, table: Table) -> Iterator[tuple[Stored, StoredFile]]:
    try:
        time_id = time_field(table, of.target.time_column).field_id
    except TableUnsupported:
        # Bounds of nanosecond columns are in another unit.
        time_id = -1
    shares = {each.share.value: each for each in of.measurements if each.share is not None}
    column = next((each.share.column for each in of.measurements if each.share is not None), None)
    value_of = sole_value(table, column) if column is not None else lambda file: None
    deletes = set[str]()
    for task in planned_files(table.scan()):
        file, bounds = task.file, time_bounds(task.file, time_id)
        first, last = (None, None) if bounds is None else (EPOCH + each * MICROSECOND for each in bounds)
        owner = _owner(of, shares.get(value_of(file) or ""))
        yield owner, StoredFile(first, last, file.file_size_in_bytes, file.record_count)
        for delete in task.delete_files:
            if delete.file_path not in deletes:
                deletes.add(delete.file_path)
                yield owner, StoredFile(first, last, delete.file_size_in_bytes, 0)


def _owner(of: MaintainedTable, measurement: Measurement | None) -> Stored:
    if of.rollup is not None:
        return Stored(of.name, "roll-up")
    if of.is_quarantine:
        return Stored(of.name, "quarantine")
    if measurement is None and len(of.measurements) == 1:
        measurement = of.measurement
    if measurement is None:
        return Stored(of.name, "shared")
    return Stored(measurement.full_name, "measurement")


def _add_overhead(table: Table, overhead: Overhead) -> None:
    current = table.current_snapshot()
    if current is None:
        return
    manifests = manifests_of(current, table.io)
    overhead.metadata_bytes += sum(each.manifest_length for each in manifests)
    read = {each.manifest_path for each in manifests}
    live = {entry.data_file.file_path for each in manifests for entry in each.fetch_manifest_entry(table.io)}
    older: dict[str, int] = {}
    for snapshot in table.metadata.snapshots:
        for manifest in manifests_of(snapshot, table.io) if snapshot is not current else ():
            if manifest.manifest_path not in read:
                read.add(manifest.manifest_path)
                for entry in manifest.fetch_manifest_entry(table.io):
                    if entry.data_file.file_path not in live:
                        older[entry.data_file.file_path] = entry.data_file.file_size_in_bytes
    overhead.older_bytes += sum(older.values())
    for commit in history(table, everything=True):
        month = month_of(commit.at)
        overhead.commits[month] += 1
        overhead.objects[month] += commit.files_added + METADATA_OBJECTS
