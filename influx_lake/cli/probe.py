"""Whether a catalog takes tables: one is made under a name of its own, and removed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


def probe_catalog(catalog: Catalog) -> str:
    """Make a namespace, a table in it and a file beside its metadata, and remove all three.

    Returns:
        Where the table was.

    Raises:
        CatalogError: The catalog refuses one of them.
        StorageError: Files cannot be written.
    """
    from influx_lake.iceberg.translation import catalog_errors

    namespace = f"influx_lake_check_{uuid.uuid4().hex[:12]}"
    with catalog_errors("create and drop a namespace and a table"), _namespace(catalog, namespace):
        table = _create(catalog, namespace)
        try:
            location = table.location()
            probe = table.io.new_output(f"{location.rstrip('/')}/data/probe")
            with probe.create(overwrite=True) as stream:
                stream.write(b"influx_lake")
            table.io.delete(probe.location)
        finally:
            catalog.purge_table((namespace, "probe"))
            _remove_empty_folders(location)
    return f"writable, for example at {location.removesuffix('/probe').removesuffix(namespace).rstrip('/')}"


@contextmanager
def _namespace(catalog: Catalog, name: str) -> Iterator[None]:
    catalog.create_namespace(name)
    try:
        yield
    finally:
        catalog.drop_namespace(name)


def _create(catalog: Catalog, namespace: str) -> Table:
    from pyiceberg.schema import Schema
    from pyiceberg.types import LongType, NestedField

    return catalog.create_table((namespace, "probe"), Schema(NestedField(1, "value", LongType(), required=False)))


def _remove_empty_folders(location: str) -> None:
    """A local file system keeps folders whose files are gone; elsewhere there are no folders."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return
    table = Path(unquote(parts.path) if parts.scheme else location)
    for folder in (table / "data", table / "metadata", table, table.parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
