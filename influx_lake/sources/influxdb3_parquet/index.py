"""The files of a table, with what their footers say: each is read once, and known from then on."""

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

# Reading a footer is waiting for the store.
_READERS = 16
_LONGEST_CHUNK = timedelta(hours=1)
"""More than the stretch of time of a chunk can be (`--gen1-duration`: 1m, 5m or 10m)."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PersistedFile:
    """A file that holds points of a table.

    Attributes:
        path: Where it is.
        sequence: Newer files have higher ones.
        footer: What it says of itself.
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
        """Its last one."""
        return self.footer.max_time


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file whose footer cannot be read.

    Attributes:
        chunk: Where the time of its points begins.
        error: What is to be said of it.
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
        whole: Those that hold points.
        damaged: Those that cannot be read.
    """

    whole: tuple[PersistedFile, ...]
    damaged: tuple[DamagedFile, ...]


@dataclass(frozen=True, slots=True)
class FooterIndex:
    """Keeps the footers of a table's files in a file of this machine.

    Attributes:
        store: Where the files are.
        folder: Where the index is.
        odd: Makes the error for a file that is not what InfluxDB writes.
    """

    store: FileSystem
    folder: Path
    odd: Odd

    def files(self, table: str, found: Iterable[tuple[str, int, PersistedPath]]) -> FoundFiles:
        """The files of a table that hold points.

        Args:
            table: Which table it is, for the name of the index.
            found: The files that are there now: path, size and what the path says.

        Returns:
            The files; those that are damaged apart. One that is gone since it was found is in neither.
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
        """What is known; nothing where the index is of another version or damaged, for it can be made again."""
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
