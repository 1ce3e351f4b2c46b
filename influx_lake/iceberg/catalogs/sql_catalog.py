"""pyiceberg's SQL catalog with a cache: reads no metadata file twice, and does not copy a table's history."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload
from urllib.parse import urlsplit

from pyiceberg.catalog import sql
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties
from sqlalchemy import bindparam, select, update

from influx_lake.iceberg.failures.translation import catalog_errors

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import TableRequirement, TableUpdate
    from sqlalchemy import Select, Update

TABLES_KEPT = 8
"""The number of tables whose newest metadata is cached: that of a year of daily windows takes a megabyte."""
_NOT_OF_STORES = ("influx-lake.", "write.")

T = TypeVar("T")


class SqlCatalog(sql.SqlCatalog):
    """A SQL catalog in which loading an unchanged table, and committing, take as long for a long history as for none.

    The database is asked each time which metadata file is a table's, so that other writers are seen at once. The file
    itself never changes (its name has a UUID), so its content is cached once it was read or written. pyiceberg
    reads it three times for each commit, and copies every snapshot that the table ever had.
    """

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **properties)
        self._known: OrderedDict[str, TableMetadata] = OrderedDict()
        self._ios: OrderedDict[tuple[str, ...], FileIO] = OrderedDict()
        self._lock = threading.Lock()

    def load_table(self, identifier: str | Identifier) -> Table:
        """Load a table as it is now, as pyiceberg does, but query its metadata location alone, once."""
        namespace = self.namespace_to_string(self.namespace_from(identifier))
        name = self.table_name_from(identifier)
        with self.engine.connect() as connection:
            place = connection.execute(
                self._where_it_is, {"catalog": self.name, "namespace": namespace, "table": name}
            ).scalar_one_or_none()
        if not place:
            raise NoSuchTableError(f"Table does not exist: {namespace}.{name}")
        metadata = self._recalled(place)
        if metadata is None:
            file = self._load_file_io(location=place).new_input(place)
            metadata = self._kept(place, _sharing_history(FromInputFile.table_metadata(file)))
        return Table(
            identifier=(*self.identifier_to_tuple(namespace), name),
            metadata=metadata,
            metadata_location=place,
            io=self._load_file_io(metadata.properties, place),
            catalog=self,
        )

    @cached_property
    def _where_it_is(self) -> Select[str | None]:
        tables = sql.IcebergTables
        query = select(tables.metadata_location).where(
            tables.catalog_name == bindparam("catalog"),
            tables.table_namespace == bindparam("namespace"),
            tables.table_name == bindparam("table"),
        )
        kind = self._iceberg_type_filter()
        return query if kind is None else query.where(kind)

    def _load_file_io(self, properties: Properties = EMPTY_DICT, location: str | None = None) -> FileIO:
        # An existing FileIO has open connections to the store, which a new one would have to open again. What tables
        # say of their rows and of how these are written differs between them, and concerns no FileIO.
        concerned = sorted(item for item in properties.items() if not item[0].startswith(_NOT_OF_STORES))
        asked = (urlsplit(location or "").scheme, *(text for item in concerned for text in item))
        with self._lock:
            if (known := self._ios.get(asked)) is not None:
                self._ios.move_to_end(asked)
                return known
        io = super()._load_file_io(properties, location)
        with self._lock:
            self._ios[asked] = io
            while len(self._ios) > TABLES_KEPT:
                self._ios.popitem(last=False)
        return io

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit updates, as pyiceberg does, and cache the new metadata.

        pyiceberg builds the statement anew for each commit, by its object-relational layer, which takes longer than the
        database does.
        """
        if not self.engine.dialect.supports_sane_rowcount:
            return self._cached(super().commit_table(table, requirements, updates))
        identifier = table.name()
        try:
            current = self.load_table(identifier)
        except NoSuchTableError:
            return self._cached(super().commit_table(table, requirements, updates))
        staged = self._update_and_stage_table(current, identifier, requirements, updates)
        if staged.metadata == current.metadata:
            return _response(current)
        self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
        namespace, name = self.namespace_to_string(self.namespace_from(identifier)), self.table_name_from(identifier)
        named = {"catalog": self.name, "namespace": namespace, "table": name}
        places = {"there": current.metadata_location, "new": staged.metadata_location}
        with self.engine.begin() as connection:
            if connection.execute(self._replacing, named | places).rowcount < 1:
                raise CommitFailedException(f"Table has been updated by another process: {namespace}.{name}")
        return self._cached(_response(staged))

    @cached_property
    def _replacing(self) -> Update:
        tables = sql.IcebergTables
        return (
            update(tables)
            .where(
                tables.catalog_name == bindparam("catalog"),
                tables.table_namespace == bindparam("namespace"),
                tables.table_name == bindparam("table"),
                tables.metadata_location == bindparam("there"),
            )
            .values(metadata_location=bindparam("new"), previous_metadata_location=bindparam("there"))
        )

    def _cached(self, response: CommitTableResponse) -> CommitTableResponse:
        self._kept(response.metadata_location, _sharing_history(response.metadata))
        return response

    def metadata_files(self) -> dict[tuple[str, str], str]:
        """The newest metadata file of each table of the catalog, by its namespace and name, in one query.

        Raises:
            CatalogError: The query fails.
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


def _response(table: Table) -> CommitTableResponse:
    return CommitTableResponse.model_validate(
        {"metadata": table.metadata, "metadata-location": table.metadata_location}
    )


class _History(list[T]):
    """A list of entries that never change: its deep copies have the same entries, also after more were added."""

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
    """The same metadata, with a history whose entries deep copies share."""
    names = ("snapshots", "snapshot_log", "metadata_log")
    return metadata.model_copy(update={name: _History(getattr(metadata, name)) for name in names})
