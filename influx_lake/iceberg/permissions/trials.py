"""Tries the permissions that loads need: in each namespace, creates a table, commits to it and drops it again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from influx_lake.iceberg.catalogs.namespaces import make_namespace
from influx_lake.iceberg.failures.rights import lacks_right
from influx_lake.iceberg.failures.translation import translate
from influx_lake.iceberg.permissions.dialects import Dialect, dialect_of
from influx_lake.iceberg.permissions.grants import catalog_grant, store_grant
from influx_lake.iceberg.permissions.permission import Permission, Proof
from influx_lake.iceberg.permissions.scratch_table import PREFIX, ScratchTable
from influx_lake.iceberg.storage.deletion import delete_folder
from influx_lake.iceberg.storage.listing import files_below

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO

_CONTENT = b"influx_lake"
_DOING = {
    Permission.LIST_NAMESPACES: "list the namespaces of the catalog",
    Permission.SEE_NAMESPACE: "see whether there is a namespace {on}",
    Permission.CREATE_NAMESPACE: "create the namespace {on}",
    Permission.LIST_TABLES: "list the tables of {on}",
    Permission.CREATE_TABLE: "create a table in {on}",
    Permission.LOAD_TABLE: "load a table of {on}",
    Permission.COMMIT: "commit to a table of {on}",
    Permission.DROP_TABLE: "drop a table of {on}",
    Permission.WRITE: "write a file to {on}",
    Permission.READ: "read a file in {on}",
    Permission.LIST: "list the files in {on}",
    Permission.DELETE: "delete a file in {on}",
}


class Trials:
    """Tries permissions, each when the iterator gets to it.

    Args:
        catalog: The catalog.
        removes_orphans: Whether the lake's maintenance removes orphans, for which it lists all tables of the catalog.
    """

    def __init__(self, catalog: Catalog, *, removes_orphans: bool = True) -> None:
        self._catalog = catalog
        self._optional = {Permission.DROP_TABLE}
        if not removes_orphans:
            self._optional |= {Permission.LIST_NAMESPACES, Permission.LIST_TABLES}
        if dialect_of(catalog) is Dialect.S3_TABLES:
            self._optional |= {Permission.LIST, Permission.DELETE}
        self._tried_in: set[str] = set()

    def of_catalog(self) -> Iterator[Proof]:
        """Try the permissions that do not depend on a namespace."""
        yield self._tried(Permission.LIST_NAMESPACES, "*", lambda: f"there are {len(self._catalog.list_namespaces())}")

    def of_namespace(self, namespace: tuple[str, ...]) -> Iterator[Proof]:
        """Create a namespace where it is missing, and in it a temporary table with a row, and a file beside it.

        Args:
            namespace: A namespace for tables of the lake.
        """
        on = ".".join(namespace)
        there: list[bool] = []

        def look() -> str:
            there.append(self._catalog.namespace_exists(namespace))
            return "it is there" if there[0] else "it is not there"

        def make() -> str:
            return f"made {'.'.join(make_namespace(self._catalog, namespace) or namespace)}"

        seen = self._tried(Permission.SEE_NAMESPACE, on, look)
        yield seen
        if not seen.ok:
            return
        if not there[0]:
            made = self._tried(Permission.CREATE_NAMESPACE, on, make)
            yield made
            if not made.ok:
                return
        with ScratchTable(self._catalog, namespace) as scratch:
            yield self._tried(Permission.LIST_TABLES, on, scratch.list_others)
            yield from self._of_table(scratch, on)

    def of_new_namespace(self) -> Iterator[Proof]:
        """Try the same in a temporary namespace, where no table has one yet; it is dropped if that is allowed."""
        namespace = (f"{PREFIX}{uuid.uuid4().hex[:12]}",)
        try:
            yield from self.of_namespace(namespace)
        finally:
            # No other operation needs the right to drop namespaces.
            with suppress(Exception):
                self._catalog.drop_namespace(namespace)

    def of_folder(self, io: FileIO, folder: str) -> Iterator[Proof]:
        """Write, read, list and delete a file, unless that was tried in a sibling folder.

        Args:
            io: The store.
            folder: The folder of a table.
        """
        if _beside(folder) not in self._tried_in:
            yield from self._of_store(io, folder)

    def _of_table(self, scratch: ScratchTable, on: str) -> Iterator[Proof]:
        placed = self._tried(Permission.CREATE_TABLE, on, scratch.choose_location)
        if not placed.ok:
            yield placed
            return
        is_tried = scratch.location is not None
        if scratch.location is not None and not (yield from self._of_store(scratch.io, scratch.location)):
            # pyiceberg writes, reads and lists there to create the table.
            scratch.clear()
            return
        made = self._tried(Permission.CREATE_TABLE, on, scratch.make)
        yield made
        if not made.ok:
            scratch.clear()
            return
        assert scratch.location is not None
        can_write = is_tried or (yield from self._of_store(scratch.io, scratch.location))
        loaded = self._tried(Permission.LOAD_TABLE, on, scratch.load)
        yield loaded
        if can_write and loaded.ok:
            yield self._tried(Permission.COMMIT, on, scratch.commit)
        yield self._tried(Permission.DROP_TABLE, on, scratch.drop)

    def _of_store(self, io: FileIO, folder: str) -> Generator[Proof, None, bool]:
        """Try permissions on the store; returns whether they suffice to create a table and commit to it."""
        self._tried_in.add(_beside(folder))
        # In a folder of its own, whose listing is short however many files the table has.
        own = f"{folder.rstrip('/')}/{PREFIX}{uuid.uuid4().hex[:12]}"
        path = f"{own}/file"

        def write() -> str:
            with io.new_output(path).create(overwrite=True) as stream:
                stream.write(_CONTENT)
            return "wrote a file"

        def read() -> str:
            with io.new_input(path).open() as stream:
                stream.read()
            return "read it"

        def listed() -> str:
            return f"listed {sum(1 for _ in files_below(io, own))}"

        def delete() -> str:
            io.delete(path)
            return "deleted it"

        written = self._tried(Permission.WRITE, folder, write)
        yield written
        proofs = [written]
        if written.ok:
            proofs.append(self._tried(Permission.READ, folder, read))
            yield proofs[-1]
        proofs.append(self._tried(Permission.LIST, folder, listed))
        yield proofs[-1]
        if written.ok:
            yield self._tried(Permission.DELETE, folder, delete)
            with suppress(Exception):
                # The rest of the folder: a marker in S3, an empty folder on this disk.
                delete_folder(io, own)
        return all(each.ok or not each.is_needed for each in proofs)

    def _tried(self, permission: Permission, on: str, act: Callable[[], str]) -> Proof:
        error: Exception | None = None
        try:
            detail = act()
        except Exception as failure:
            # Any exception of a client: it is reported, and the other permissions are tried.
            error = failure
        refusal = "" if error is None else str(error)
        if permission.is_of_store:
            grant = store_grant(self._catalog, permission, on, refusal)
        else:
            grant = catalog_grant(self._catalog, permission, on, refusal)
        needed = permission not in self._optional
        if error is None:
            return Proof(permission, on, detail, grant, is_needed=needed)
        told = translate(error, _DOING[permission].format(on=on))
        remedy = grant.remedy if lacks_right(error) else told.remedy
        message = told.message
        if not needed:
            message += "; " + _WITHOUT.get(permission, "the catalog sees to this itself")
        return Proof(permission, on, message, grant, ok=False, is_needed=needed, remedy=remedy)


_WITHOUT = {
    Permission.DROP_TABLE: f"loads do without it, and the table {PREFIX}... stays, for the next check to use",
    Permission.LIST_NAMESPACES: "only remove_orphans needs it",
    Permission.LIST_TABLES: "only remove_orphans needs it",
}


def _beside(folder: str) -> str:
    return folder.rstrip("/").rpartition("/")[0]
