"""A temporary table, with which permissions on tables are tried."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from influx_lake.iceberg.failures.rights import lacks_right
from influx_lake.iceberg.failures.translation import translate
from influx_lake.iceberg.layout.new_table import table_location
from influx_lake.iceberg.permissions.dialects import Dialect, dialect_of
from influx_lake.iceberg.storage.deletion import delete_folder
from influx_lake.iceberg.storage.listing import files_below

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table

PREFIX = "influx_lake_check_"
"""The prefix of temporary tables and files."""
_LEFT = "influx-lake.check"
"""The property of a temporary table that could not be dropped."""
_LEFT_SECONDS = 600.0
"""The age from which on such a table is taken for the leftover of a check that was killed."""


class ScratchTable:
    """A temporary table with a unique name; a context manager, which drops the table after an error.

    Args:
        catalog: The catalog.
        namespace: The namespace of the table.

    Attributes:
        identifier: Its identifier.
        location: Its location; None while only the catalog knows it.
    """

    def __init__(self, catalog: Catalog, namespace: tuple[str, ...]) -> None:
        self.identifier = (*namespace, f"{PREFIX}{uuid.uuid4().hex[:12]}")
        self.location: str | None = None
        self._catalog = catalog
        self._table: Table | None = None
        self._left: list[tuple[str, ...]] = []

    @property
    def io(self) -> FileIO:
        """Its FileIO, with the credentials that the catalog vends, if it does."""
        return self._table.io if self._table is not None else self._catalog._load_file_io(location=self.location)

    def list_others(self) -> str:
        """List the other tables of the namespace, and remember those that earlier checks left."""
        found = [tuple(each) for each in self._catalog.list_tables(self.identifier[:-1])]
        self._left = [each for each in found if each[-1].startswith(PREFIX)]
        return f"there are {len(found) - len(self._left)}"

    def choose_location(self) -> str:
        """Choose a location, where the catalog leaves that to its clients."""
        from pyiceberg.catalog import MetastoreCatalog

        catalog = self._catalog
        is_s3_tables = getattr(catalog, "_is_s3tables_database", lambda name: False)
        namespace = ".".join(self.identifier[:-1])
        if isinstance(catalog, MetastoreCatalog) and not is_s3_tables(namespace):
            usual = table_location(catalog, self.identifier)
            self.location = usual or catalog._resolve_table_location(None, namespace, self.identifier[-1])
        return self.location or "the catalog chooses"

    def make(self) -> str:
        """Create the table, or take over one that an earlier check could not drop: there is never more than one."""
        from pyiceberg.schema import Schema
        from pyiceberg.types import LongType, NestedField

        for name in self._left:
            table = self._catalog.load_table(name)
            if _LEFT in table.properties or time.time() - table.metadata.last_updated_ms / 1000 > _LEFT_SECONDS:
                self.clear()
                self._take(table)
                return f"not tried: {name[-1]}, which an earlier check left, is used again"
        schema = Schema(NestedField(1, "value", LongType(), required=False))
        self._take(self._catalog.create_table(self.identifier, schema, location=self.location))
        return f"made {self.identifier[-1]} for a moment"

    def load(self) -> str:
        """Load it from the catalog."""
        self._table = self._catalog.load_table(self.identifier)
        return "loaded it"

    def commit(self) -> str:
        """Add a row to it."""
        assert self._table is not None
        self._table.append(pa.table({"value": pa.array([1], pa.int64())}))
        return "committed a row to it"

    def drop(self) -> str:
        """Drop it, and delete its files where the catalog does not; where that fails, later checks take it over."""
        try:
            self._drop()
        except Exception:
            with suppress(Exception), self._catalog.load_table(self.identifier).transaction() as change:
                change.set_properties({_LEFT: "left"})
            raise
        left = self.clear()
        self._table = None
        return f"dropped it{left}"

    def _drop(self) -> None:
        from pyiceberg.catalog import MetastoreCatalog

        if isinstance(self._catalog, MetastoreCatalog):
            self._catalog.drop_table(self.identifier)
        else:
            try:
                # S3 Tables can only purge tables; Polaris cannot, unless it is configured to.
                self._catalog.purge_table(self.identifier)
            except Exception as error:
                if not lacks_right(error):
                    raise
                self._catalog.drop_table(self.identifier)

    def clear(self) -> str:
        """Delete the files in its folder; returns a text about those that stay."""
        if self.location is None or dialect_of(self._catalog) is Dialect.S3_TABLES:
            return ""
        try:
            self._delete_folder(self.location)
        except Exception as error:  # Whether files can be deleted is tried by itself, too.
            return f"; files stay at {self.location} ({translate(error, 'delete them').message})"
        return ""

    def _delete_folder(self, folder: str) -> None:
        """Delete a folder; S3 servers with files on a disk refuse one if its subfolders are in the same request."""
        try:
            delete_folder(self.io, folder)
        except OSError:
            if any(files_below(self.io, folder)):
                raise
            with suppress(OSError):
                delete_folder(self.io, folder)

    def _take(self, table: Table) -> None:
        self._table, self.identifier, self.location = table, tuple(table.name()), table.location()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._table is not None:
            self.drop()
