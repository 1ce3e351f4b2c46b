"""The table that rows are written to, and how its files are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from influx_lake.config import Nanoseconds, OnTypeConflict, SchemaEvolution, TypeOptions, WriteOptions
from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.config.values.source_schema import TIME

DEFAULT_WRITE = WriteOptions()
DEFAULT_TYPES = TypeOptions(nanoseconds=Nanoseconds.REFUSE)
"""Refuses nanoseconds: rows that can be read only once cannot be read again when the first finer time is met."""


OWNER = "influx-lake.owner"
"""The table property: the identity of the source whose rows the table holds."""
MEASUREMENT = "influx-lake.measurement"
"""The table property: the measurement whose rows the table holds, where lake.yaml declares none for it."""


@dataclass(frozen=True, slots=True)
class TableTarget:
    """A table as its writer wants it.

    Attributes:
        identifier: Namespace parts and the table's name.
        time_column: The column that places a row in a window.
        key: The columns that, with the time, identify points.
        tags: The columns that are tags, which the table records; None where they are unknown.
        write: How rows are written; file options that it does not state are the table's own.
        properties: Table properties to set.
        types: How columns of the rows are mapped to columns of the table.
        quarantines_casts: Whether the rows hold values that could not be cast, for the table's own quarantine.
        with_nanoseconds: Add the column for nanoseconds now: the rows have times that need it.
        schema_evolution: What happens to columns that the table does not have.
        partition: The partition fields; None: those of an existing table; for a new one the day of the time, and the
            measurement where the table is to hold several.
        definition: The definition of the rows, as a text that changes with it; None where it is unknown.
        erased: Erased rows, which the loaded rows do not include; None where this is unknown.
        share: The rows that are loaded and replaced, where the table holds several measurements.
        docs: The docs of columns, by their names here; other columns keep theirs.
    """

    identifier: tuple[str, ...]
    time_column: str = TIME
    key: tuple[str, ...] = ()
    tags: tuple[str, ...] | None = None
    write: WriteOptions = DEFAULT_WRITE
    properties: Mapping[str, str] = field(default_factory=dict, hash=False)
    types: TypeOptions = field(default=DEFAULT_TYPES, hash=False)
    quarantines_casts: bool = False
    with_nanoseconds: bool = False
    schema_evolution: SchemaEvolution = SchemaEvolution.ADD_COLUMNS
    partition: tuple[PartitionTerm, ...] | None = None
    definition: str | None = None
    erased: tuple[ErasedRows, ...] | None = None
    share: Share | None = None
    docs: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def whole_bounds(self) -> tuple[str, ...]:
        """The columns whose bounds in metadata tell which rows a file holds."""
        return (self.time_column,) if self.share is None else (self.time_column, self.share.column)

    @property
    def has_quarantine(self) -> bool:
        """Whether rows that do not fit go to the table's own quarantine."""
        return self.quarantines_casts or self.types.on_type_conflict is OnTypeConflict.QUARANTINE

    @property
    def name(self) -> str:
        """`namespace.table`, for messages."""
        return ".".join(self.identifier)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of the rows of a commit; recorded in the snapshot.

    Attributes:
        source: The identity of the source: rows of another source are replaced only with `adopt`.
        run_id: The run that wrote them.
        adopt: Whether a table that another source owns, or none, becomes this source's.
        declared: The identities of all sources that lake.yaml declares for the table, the owner first; empty where that
            is `source` alone.
    """

    source: str
    run_id: str
    adopt: bool = False
    declared: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The source that owns the table."""
        return self.declared[0] if self.declared else self.source
