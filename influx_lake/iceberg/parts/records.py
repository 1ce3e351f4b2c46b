"""Where written parts are noted: beside the table's data, so that every process that reaches the table sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.parts.encoding import decoded, encoded
from influx_lake.iceberg.parts.written_part import WrittenPart

if TYPE_CHECKING:
    from pyiceberg.table import Table

SUFFIX = ".part.json"
"""How their names end. Maintenance takes old ones for what they are: orphans, like the files that they name."""


@dataclass(frozen=True, slots=True)
class PartRecords:
    """The records of the parts of one window.

    Attributes:
        table: The table.
        window: The window.
        key: The same for all parts that can be committed together: of the same rows, in the same columns.
    """

    table: Table
    window: Window
    key: str

    def put(self, part: WrittenPart) -> None:
        """Note a part; one that was noted before is forgotten.

        Raises:
            StorageError: The record cannot be written.
        """
        output = self.table.io.new_output(self._path(part.window))
        with catalog_errors(f"note a part of {self.window} of {self._name}"), output.create(overwrite=True) as stream:
            stream.write(encoded(part))

    def get(self, window: Window) -> WrittenPart | None:
        """The part that was written of a part of the window; None where none was.

        Raises:
            StorageError: The record cannot be read.
        """
        with catalog_errors(f"look for a part of {self.window} of {self._name}"):
            try:
                with self.table.io.new_input(self._path(window)).open() as stream:
                    text = stream.read()
            except FileNotFoundError:
                return None
        return decoded(text)

    def is_whole(self, part: WrittenPart) -> bool:
        """Whether the files of a part are there still.

        Raises:
            StorageError: The store does not say.
        """
        files = [*part.files.files, *(part.quarantined.files if part.quarantined else ())]
        with catalog_errors(f"look for files of {self.window} of {self._name}"):
            return all(self.table.io.new_input(file.file_path).exists() for file in files)

    def forget(self, window: Window) -> None:
        """Forget what was written of a part of the window, if anything was; its files stay where they are."""
        try:
            self.table.io.delete(self._path(window))
        except OSError:
            # Nobody takes it up again: what it names is committed, or is written anew.
            return

    def _path(self, window: Window) -> str:
        folder = f"{self.table.location().rstrip('/')}/parts/{_compact(self.window)}-{self.key[:16]}"
        return f"{folder}/{_compact(window)}{SUFFIX}"

    @property
    def _name(self) -> str:
        return ".".join(self.table.name())


def _compact(window: Window) -> str:
    return f"{window.start_us}-{window.end_us}"
