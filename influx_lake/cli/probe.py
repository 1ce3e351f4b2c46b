"""Whether a catalog takes tables: one is made under a name of its own, and removed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


def probe_catalog(catalog: Catalog, namespaces: Sequence[tuple[str, ...]] = ()) -> str:
    """Make the namespaces that are missing, and for a moment a table in one of them with a file beside its metadata.

    Args:
        catalog: The catalog.
        namespaces: Those that the lake's tables go to; without any, one is made and removed.

    Returns:
        Where the table was.

    Raises:
        CatalogError: The catalog refuses one of them.
        StorageError: Files cannot be written.
    """
    from influx_lake.iceberg.catalogs.namespaces import make_namespace
    from influx_lake.iceberg.failures.translation import catalog_errors

    name = f"influx_lake_check_{uuid.uuid4().hex[:12]}"
    for wanted in namespaces:
        with catalog_errors(f"create the namespace {'.'.join(wanted)}"):
            make_namespace(catalog, wanted)
    with ExitStack() as stack:
        stack.enter_context(catalog_errors("create and drop a table"))
        namespace = namespaces[0] if namespaces else stack.enter_context(_namespace(catalog, (name,)))
        table = _create(catalog, (*namespace, name))
        location = table.location()
        try:
            probe = table.io.new_output(f"{location.rstrip('/')}/data/probe")
            with probe.create(overwrite=True) as stream:
                stream.write(b"influx_lake")
            table.io.delete(probe.location)
        finally:
            catalog.purge_table((*namespace, name))
            _remove_empty_folders(location)
    return f"writable, for example at {location.rpartition('/')[0]}"


@contextmanager
def _namespace(catalog: Catalog, name: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    catalog.create_namespace(name)
    try:
        yield name
    finally:
        catalog.drop_namespace(name)


def _create(catalog: Catalog, identifier: tuple[str, ...]) -> Table:
    from pyiceberg.schema import Schema
    from pyiceberg.types import LongType, NestedField

    return catalog.create_table(identifier, Schema(NestedField(1, "value", LongType(), required=False)))


def _remove_empty_folders(location: str) -> None:
    """A local file system keeps folders whose files are gone; elsewhere there are no folders."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return
    table = Path(unquote(parts.path) if parts.scheme else location)
    for folder in (table / "data", table / "metadata", table, table.parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
