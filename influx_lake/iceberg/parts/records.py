"""Records of written parts, stored beside the table's data, where every process that reaches the table finds them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.errors import StorageError
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.parts.encoding import decoded, encoded
from influx_lake.iceberg.parts.written_part import WrittenPart

if TYPE_CHECKING:
    from pyiceberg.table import Table

SUFFIX = ".part.json"
"""The ending of their names. Maintenance treats old ones as orphans, like the files that they name."""

log = logging.getLogger("influx_lake.replication")


@dataclass(frozen=True, slots=True)
class PartRecords:
    """The records of the parts of one window.

    Attributes:
        table: The table.
        window: The window.
        key: The same for all parts that can be committed together: parts of the same rows, with the same columns.
    """

    table: Table
    window: Window
    key: str

    def put(self, part: WrittenPart) -> None:
        """Write the record of a part, in place of an earlier one.

        Raises:
            StorageError: The record cannot be written.
        """
        output = self.table.io.new_output(self._path(part.window))
        with catalog_errors(f"note a part of {self.window} of {self._name}"), output.create(overwrite=True) as stream:
            stream.write(encoded(part))

    def get(self, window: Window) -> WrittenPart | None:
        """The written part for a part of the window; None where there is none, or its record is not whole.

        A process may die while it writes a record, or write it at this moment: the part is written again.

        Raises:
            StorageError: The store fails.
        """
        with catalog_errors(f"look for a part of {self.window} of {self._name}"):
            try:
                with self.table.io.new_input(self._path(window)).open() as stream:
                    text = stream.read()
            except FileNotFoundError:
                return None
        try:
            return decoded(text)
        except StorageError as error:
            log.info("%s: %s; the part is written again", self._name, error.message)
            return None

    def is_whole(self, part: WrittenPart) -> bool:
        """Whether all files of a part still exist.

        Raises:
            StorageError: The store fails.
        """
        files = [*part.files.files, *(part.quarantined.files if part.quarantined else ())]
        with catalog_errors(f"look for files of {self.window} of {self._name}"):
            return all(self.table.io.new_input(file.file_path).exists() for file in files)

    def forget(self, window: Window) -> None:
        """Delete the record of a part of the window, if there is one; its files stay."""
        try:
            self.table.io.delete(self._path(window))
        except OSError:
            # The record is not used again: its files are committed, or the part is written anew.
            return

    def _path(self, window: Window) -> str:
        folder = f"{self.table.location().rstrip('/')}/parts/{_compact(self.window)}-{self.key[:16]}"
        return f"{folder}/{_compact(window)}{SUFFIX}"

    @property
    def _name(self) -> str:
        return ".".join(self.table.name())


def _compact(window: Window) -> str:
    return f"{window.start_us}-{window.end_us}"
