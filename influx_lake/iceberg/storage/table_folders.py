"""The folders that a table's files are in, and whether they are its own alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from influx_lake.errors import CatalogRefused, LakeError, TableUnsupported
from influx_lake.iceberg.failures.translation import catalog_errors

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_PATHS = (
    "write.data.path",
    "write.metadata.path",
    "write.object-storage.path",
    "write.folder-storage.path",
)
"""Table properties that name a folder beside that of the table."""
REMEMBERED_SECONDS = 600.0
"""How long the folders of a catalog's tables are known: each table of a lake asks for those of all others."""
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:/*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Known:
    at: float
    folders: Mapping[tuple[str, ...], tuple[str, ...]]


_known: WeakKeyDictionary[Catalog, _Known] = WeakKeyDictionary()
_lock = Lock()


def folders_of(table: Table) -> tuple[str, ...]:
    """The folders that hold a table's files: its own, and others that its properties name; none lies in another."""
    properties = table.metadata.properties
    named = [table.metadata.location, *(properties[name] for name in _PATHS if properties.get(name))]
    found = list(dict.fromkeys(folder.rstrip("/") for folder in named))
    return tuple(folder for folder in found if not any(other != folder and _is_in(folder, other) for other in found))


def check_alone(catalog: Catalog, table: Table) -> None:
    """See to it that no other table of the catalog keeps files in a table's folders, or around them.

    Raises:
        TableUnsupported: One does: which files are whose cannot be told from the folders.
        CatalogError: A table of the catalog cannot be loaded, so that it is not known where it keeps its files.
    """
    own, name = folders_of(table), table.name()
    for other, folders in _folders_in(catalog).items():
        if other == tuple(name):
            continue
        for folder in folders:
            meeting = next((mine for mine in own if _is_in(mine, folder) or _is_in(folder, mine)), None)
            if meeting is not None:
                raise TableUnsupported(
                    f"{'.'.join(name)} keeps its files in {meeting}, and {'.'.join(other)} in {folder}: which files of "
                    "no snapshot are whose cannot be told",
                    remedy="Give each table a folder of its own (`location`, `write.data.path`), or set "
                    "`remove_orphans: off` for it",
                )


def _folders_in(catalog: Catalog) -> Mapping[tuple[str, ...], tuple[str, ...]]:
    with _lock:
        known = _known.get(catalog)
        if known is None or time.monotonic() - known.at > REMEMBERED_SECONDS:
            folders = {name: folders_of(table) for name, table in _tables(catalog)}
            known = _known[catalog] = _Known(time.monotonic(), folders)
    return known.folders


def _tables(catalog: Catalog) -> Iterator[tuple[tuple[str, ...], Table]]:
    from pyiceberg.exceptions import NoSuchIcebergTableError, NoSuchNamespaceError, NoSuchTableError

    for namespace in _namespaces(catalog):
        try:
            with catalog_errors(f"list the tables of {'.'.join(namespace)}"):
                names = catalog.list_tables(namespace)
        except LakeError as error:
            if isinstance(error.__cause__, NoSuchNamespaceError):
                continue
            raise
        for name in names:
            try:
                table = catalog.load_table(name)
            except (NoSuchTableError, NoSuchIcebergTableError):
                # Dropped meanwhile, or of another format (Hive, Glue).
                continue
            except Exception as error:
                raise _unknown(name, error) from error
            yield tuple(table.name()), table


def _unknown(name: tuple[str, ...], error: Exception) -> LakeError:
    from influx_lake.iceberg.failures.translation import translate

    return translate(error, f"load the table {'.'.join(name)}, to see that it keeps no files in another's folder")


def _namespaces(catalog: Catalog) -> Iterator[tuple[str, ...]]:
    """Every namespace, those in others included, where the catalog knows such."""
    from pyiceberg.exceptions import ForbiddenError, UnauthorizedError

    seen: set[tuple[str, ...]] = set()
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parent = waiting.pop()
        try:
            with catalog_errors("list the namespaces of the catalog"):
                found = [tuple(each) for each in catalog.list_namespaces(parent)]
        except CatalogRefused as refused:
            # Catalogs that know no namespaces in others (S3 Tables) may refuse the question; but what one has no right
            # to see may well be a table.
            if not parent or isinstance(refused.__cause__, ForbiddenError | UnauthorizedError):
                raise
            continue
        for each in found:
            if each not in seen and each != parent:
                seen.add(each)
                waiting.append(each)
                yield each


def _is_in(folder: str, other: str) -> bool:
    """Whether a folder is another, or lies in it, however the way to the store is spelled."""
    return f"{_way(folder)}/".startswith(f"{_way(other)}/")


def _way(folder: str) -> str:
    return _SCHEME.sub("", folder).strip("/")
