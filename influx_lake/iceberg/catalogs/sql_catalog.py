"""pyiceberg's SQL catalog, which reads no metadata file twice and copies no history."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

from pyiceberg.catalog import sql
from pyiceberg.table import CommitTableResponse, Table
from sqlalchemy import select

from influx_lake.iceberg.failures.translation import catalog_errors

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import IcebergTables
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import TableRequirement, TableUpdate

TABLES_KEPT = 8
"""Of how many tables the newest metadata is kept: that of a year of daily windows takes a megabyte."""

T = TypeVar("T")


class SqlCatalog(sql.SqlCatalog):
    """A catalog in which a load of an unchanged table, and a commit, take the same time whatever happened before.

    Which metadata file is a table's is asked of the database each time, so that other writers are seen at once. The
    file itself never changes (each has a UUID in its name): what was read of it, or written to it, is kept. pyiceberg
    reads it three times for each commit, and copies every snapshot that the table ever had.
    """

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **properties)
        self._known: OrderedDict[str, TableMetadata] = OrderedDict()
        self._lock = threading.Lock()

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        place = orm_table.metadata_location
        known = self._recalled(place) if place else None
        if place is None or known is None:
            table = super()._convert_orm_to_iceberg(orm_table)
            table.metadata = self._kept(table.metadata_location, _sharing_history(table.metadata))
            return table
        return Table(
            identifier=(*self.identifier_to_tuple(orm_table.table_namespace), orm_table.table_name),
            metadata=known,
            metadata_location=place,
            io=self._load_file_io(known.properties, place),
            catalog=self,
        )

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit updates; see pyiceberg."""
        response = super().commit_table(table, requirements, updates)
        self._kept(response.metadata_location, _sharing_history(response.metadata))
        return response

    def metadata_files(self) -> dict[tuple[str, str], str]:
        """The newest metadata file of each table of the catalog, by its namespace and name: one query for all.

        Raises:
            CatalogError: The database cannot tell.
        """
        columns = (sql.IcebergTables.table_namespace, sql.IcebergTables.table_name, sql.IcebergTables.metadata_location)
        asked = select(*columns).where(sql.IcebergTables.catalog_name == self.name)
        with catalog_errors(f"list the tables of the catalog {self.name}"), self.engine.connect() as connection:
            return {(namespace, name): place for namespace, name, place in connection.execute(asked) if place}

    def _recalled(self, place: str) -> TableMetadata | None:
        with self._lock:
            known = self._known.get(place)
            if known is not None:
                self._known.move_to_end(place)
            return known

    def _kept(self, place: str, metadata: TableMetadata) -> TableMetadata:
        with self._lock:
            replaced = metadata.metadata_log[-1].metadata_file if metadata.metadata_log else ""
            self._known.pop(replaced, None)
            self._known[place] = metadata
            while len(self._known) > TABLES_KEPT:
                self._known.popitem(last=False)
        return metadata


class _History(list[T]):
    """Entries that are never changed: a deep copy of it has the same ones, also after more were added."""

    def __add__(self, more: Iterable[T]) -> _History[T]:  # type: ignore[override]
        return _History((*self, *more))

    @overload
    def __getitem__(self, place: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> _History[T]: ...
    def __getitem__(self, place: SupportsIndex | slice) -> T | _History[T]:
        found: Any = super().__getitem__(place)
        return _History(found) if isinstance(place, slice) else found

    def __deepcopy__(self, memo: dict[int, Any]) -> _History[T]:
        return _History(self)


def _sharing_history(metadata: TableMetadata) -> TableMetadata:
    """The same metadata, whose deep copies have the same snapshots and logs."""
    names = ("snapshots", "snapshot_log", "metadata_log")
    return metadata.model_copy(update={name: _History(getattr(metadata, name)) for name in names})
