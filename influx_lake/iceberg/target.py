"""Which table rows go to, and how its files are written."""

from __future__ import annotations

from dataclasses import dataclass

from influx_lake.config import SchemaEvolution, WriteOptions
from influx_lake.config.columns import TIME

DEFAULT_WRITE = WriteOptions()


@dataclass(frozen=True, slots=True)
class TableTarget:
    """A table as its writer wants it; a table that already exists keeps its partitioning and properties.

    Attributes:
        identifier: Namespace parts and the table's name.
        time_column: The column that places a row in a window.
        dictionary_columns: Columns of few distinct values (tags), dictionary-encoded in the files.
        write: Compression and file size.
        schema_evolution: What happens to columns the table does not have.
    """

    identifier: tuple[str, ...]
    time_column: str = TIME
    dictionary_columns: frozenset[str] = frozenset()
    write: WriteOptions = DEFAULT_WRITE
    schema_evolution: SchemaEvolution = SchemaEvolution.ADD_COLUMNS

    @property
    def name(self) -> str:
        """`namespace.table`, for messages."""
        return ".".join(self.identifier)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the rows of a commit come from; kept in the snapshot.

    Attributes:
        source: The identity of the source: another source's rows are not replaced unnoticed.
        run_id: The run that wrote them.
    """

    source: str
    run_id: str
