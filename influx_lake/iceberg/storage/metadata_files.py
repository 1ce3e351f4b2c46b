"""Tells which table a metadata file belongs to, from its first bytes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from influx_lake.errors import TableUnsupported
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.storage.requests import each_of

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table

METADATA = (".metadata.json", ".metadata.json.gz", ".gz.metadata.json")
"""The endings of their names."""
_HEAD_BYTES = 64 * 1024
_UUID = re.compile(rb'"table-uuid"\s*:\s*"([^"]*)"')


def check_of_table(table: Table, paths: Sequence[str]) -> None:
    """Check that metadata files in a table's folders belong to no other table.

    Raises:
        TableUnsupported: One does.
        StorageError: One cannot be read.
    """
    uuid = str(table.metadata.table_uuid)
    with catalog_errors(f"read metadata files in the folders of {'.'.join(table.name())}"):
        for path, found in zip(paths, each_of(lambda path: uuid_in(table.io, path), paths), strict=True):
            if found is not None and found != uuid:
                raise TableUnsupported(
                    f"{path}, in the folders of {'.'.join(table.name())}, is metadata of another table ({found}): "
                    "which table a file belongs to is unknown",
                    remedy="Where that table is still used, give each a folder of its own, or set `remove_orphans: "
                    "off`; where it was dropped, delete its metadata files",
                )


def uuid_in(io: FileIO, path: str) -> str | None:
    """The UUID of a metadata file's table; None where the file is missing, truncated, or does not tell."""
    from pyiceberg.exceptions import ValidationError
    from pyiceberg.serializers import FromInputFile

    try:
        with io.new_input(path).open() as file:
            head = file.read(_HEAD_BYTES)
        if head[:2] == b"\x1f\x8b":
            head = zlib.decompressobj(31).decompress(head, 4 * _HEAD_BYTES)
        if (said := _UUID.search(head)) is not None:
            return said[1].decode()
        return str(FromInputFile.table_metadata(io.new_input(path)).table_uuid)
    except (FileNotFoundError, ValueError, ValidationError, zlib.error):
        return None
