"""Determines the folders of a table's files, and whether other tables use them too."""

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
"""Table properties that name a folder besides the table's location."""
REMEMBERED_SECONDS = 600.0
"""How long the folders of a catalog's tables are cached: the maintenance of each table needs those of all others."""
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:/*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Known:
    at: float
    folders: Mapping[tuple[str, ...], tuple[str, ...]]


_known: WeakKeyDictionary[Catalog, _Known] = WeakKeyDictionary()
_lock = Lock()


def folders_of(table: Table) -> tuple[str, ...]:
    """The folders of a table's files: its location, and others that properties name; none lies inside another."""
    properties = table.metadata.properties
    named = [table.metadata.location, *(properties[name] for name in _PATHS if properties.get(name))]
    found = list(dict.fromkeys(folder.rstrip("/") for folder in named))
    return tuple(folder for folder in found if not any(other != folder and _is_in(folder, other) for other in found))


def check_alone(catalog: Catalog, table: Table) -> None:
    """Check that no other table of the catalog has files in a table's folders, or in a parent of these.

    Raises:
        TableUnsupported: One has: which files belong to which table cannot be told from the folders.
        CatalogError: A table of the catalog cannot be loaded, so that its folders are unknown.
    """
    own, name = folders_of(table), table.name()
    for other, folders in _folders_in(catalog).items():
        if other == tuple(name):
            continue
        for folder in folders:
            meeting = next((mine for mine in own if _is_in(mine, folder) or _is_in(folder, mine)), None)
            if meeting is not None:
                raise TableUnsupported(
                    f"{'.'.join(name)} keeps its files in {meeting}, and {'.'.join(other)} in {folder}: which table a "
                    "file of no snapshot belongs to is unknown",
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
                # The table was dropped meanwhile, or has another format (Hive, Glue).
                continue
            except Exception as error:
                raise _unknown(name, error) from error
            yield tuple(table.name()), table


def _unknown(name: tuple[str, ...], error: Exception) -> LakeError:
    from influx_lake.iceberg.failures.translation import translate

    return translate(error, f"load the table {'.'.join(name)}, to see that it keeps no files in another's folder")


def _namespaces(catalog: Catalog) -> Iterator[tuple[str, ...]]:
    """Yield every namespace, including nested ones, where the catalog supports them."""
    from pyiceberg.exceptions import ForbiddenError, UnauthorizedError

    seen: set[tuple[str, ...]] = set()
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parent = waiting.pop()
        try:
            with catalog_errors("list the namespaces of the catalog"):
                found = [tuple(each) for each in catalog.list_namespaces(parent)]
        except CatalogRefused as refused:
            # Catalogs without nested namespaces (S3 Tables) may refuse the request; but a namespace that this identity
            # has no right to list may well have tables.
            if not parent or isinstance(refused.__cause__, ForbiddenError | UnauthorizedError):
                raise
            continue
        for each in found:
            if each not in seen and each != parent:
                seen.add(each)
                waiting.append(each)
                yield each


def _is_in(folder: str, other: str) -> bool:
    """Whether a folder is another one, or lies in it, in any spelling of the store's address."""
    return f"{_way(folder)}/".startswith(f"{_way(other)}/")


def _way(folder: str) -> str:
    return _SCHEME.sub("", folder).strip("/")
