"""Indexes the files of a table by their footers: each footer is read once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influx_lake.config.values.source_schema import Column, ColumnType, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import SourceError
from influx_lake.private_folders import make_private, replace_private_file
from influx_lake.sources.influxdb3_parquet.footers import Footer, Odd, read_footer
from influx_lake.sources.influxdb3_parquet.paths import PersistedPath

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

# Reading a footer mostly waits for the store.
_READERS = 16
_LONGEST_CHUNK = timedelta(hours=1)
"""Longer than any chunk's interval of time (`--gen1-duration`: 1m, 5m or 10m)."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PersistedFile:
    """A file with points of a table.

    Attributes:
        path: Its path.
        sequence: Its sequence number: newer files have higher ones.
        footer: Its footer.
    """

    path: str
    sequence: int
    footer: Footer

    @property
    def min_time(self) -> int:
        """Its first time, in nanoseconds since 1970."""
        return self.footer.min_time

    @property
    def max_time(self) -> int:
        """Its last time."""
        return self.footer.max_time


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file whose footer cannot be read.

    Attributes:
        chunk: The start of its chunk.
        error: The error.
    """

    chunk: datetime
    error: SourceError

    def is_needed(self, window: Window) -> bool:
        """Whether it may hold points of a window."""
        return self.chunk < window.end and self.chunk + _LONGEST_CHUNK > window.start


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files of a table.

    Attributes:
        whole: The files with points.
        damaged: The files that cannot be read.
    """

    whole: tuple[PersistedFile, ...]
    damaged: tuple[DamagedFile, ...]


@dataclass(frozen=True, slots=True)
class FooterIndex:
    """Keeps the footers of a table's files in a local file.

    Attributes:
        store: The store of the files.
        folder: The folder of the index.
        odd: Makes the error for a file that InfluxDB cannot have written.
    """

    store: FileSystem
    folder: Path
    odd: Odd

    def files(self, table: str, found: Iterable[tuple[str, int, PersistedPath]]) -> FoundFiles:
        """The files of a table that hold points.

        Args:
            table: A name of the table, for the name of the index.
            found: The present files: path, size and parsed path.

        Returns:
            The files, damaged ones separately. A file that was deleted since is in neither.
        """
        known, there, damaged = self._load(table), list(found), list[DamagedFile]()
        new = [(path, size) for path, size, _ in there if (path, size) not in known]
        if new:
            with ThreadPoolExecutor(_READERS) as readers:
                read = dict(zip(new, readers.map(self._read, (path for path, _ in new)), strict=True))
            known.update({key: footer for key, footer in read.items() if not isinstance(footer, SourceError)})
            chunks = {(path, size): parsed.chunk for path, size, parsed in there}
            damaged = [DamagedFile(chunks[key], each) for key, each in read.items() if isinstance(each, SourceError)]
        present = {(path, size): parsed for path, size, parsed in there}
        if new or len(known) > len(present):
            self._save(table, {key: footer for key, footer in known.items() if key in present and footer is not None})
        whole = tuple(
            PersistedFile(key[0], parsed.sequence, footer)
            for key, parsed in present.items()
            if (footer := known.get(key)) is not None and footer.rows
        )
        return FoundFiles(whole, tuple(damaged))

    def _read(self, path: str) -> Footer | SourceError | None:
        try:
            return read_footer(self.store, path, self.odd)
        except FileNotFoundError:
            return None
        except SourceError as error:
            return error

    def _place(self, table: str) -> Path:
        return self.folder / f"{hashlib.sha256(table.encode()).hexdigest()[:16]}.json"

    def _load(self, table: str) -> dict[tuple[str, int], Footer | None]:
        """The indexed footers; none where the index has another version or is damaged: it is then rebuilt."""
        try:
            state = json.loads(self._place(table).read_text(encoding="utf-8"))
            if state["format"] != _FORMAT or state["table"] != table:
                return {}
            columns = [tuple(map(_column, each)) for each in state["columns"]]
            return {
                (path, size): Footer(measurement, rows, size_in_memory, first, last, columns[place])
                for path, size, measurement, rows, size_in_memory, first, last, place in state["files"]
            }
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            return {}

    def _save(self, table: str, footers: dict[tuple[str, int], Footer]) -> None:
        places: dict[tuple[Column, ...], int] = {}
        files = [
            [
                *(*key, each.measurement, each.rows, each.bytes, each.min_time, each.max_time),
                places.setdefault(each.columns, len(places)),
            ]
            for key, each in footers.items()
        ]
        columns = [[[column.name, column.role, column.type] for column in each] for each in places]
        make_private(self.folder)
        index = {"format": _FORMAT, "table": table, "columns": columns, "files": files}
        replace_private_file(self._place(table), json.dumps(index).encode())


def _column(entry: list[Any]) -> Column:
    name, role, kind = entry
    return Column(name, Role(role), ColumnType(kind))
