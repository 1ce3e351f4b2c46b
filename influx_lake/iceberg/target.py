"""Which table rows go to, and how its files are written."""

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
"""Rows that can be read once only cannot be read again when the first fine time is met."""


OWNER = "influx-lake.owner"
"""The table property: the identity of the source whose rows the table holds."""
MEASUREMENT = "influx-lake.measurement"
"""The table property: the measurement whose rows the table holds, where nothing else says so: the lake declares none
for it."""


@dataclass(frozen=True, slots=True)
class TableTarget:
    """A table as its writer wants it.

    Attributes:
        identifier: Namespace parts and the table's name.
        time_column: The column that places a row in a window.
        key: The columns that, with the time, tell points apart.
        tags: Those of its columns that are tags, which the table then tells; None where that is not known.
        write: How rows get into the table; how its files are, where that is stated: what is not is as the table says.
        properties: Properties that the table is to have.
        types: How columns of the rows become columns of the table.
        quarantines_casts: Whether rows come that hold what could not be cast, for the table's own quarantine.
        with_nanoseconds: Give the table the column for whole times now: the rows hold times that need it.
        schema_evolution: What happens to columns the table does not have.
        partition: Its partition fields; None: by day of the time for a new table, and by measurement where it is to
            hold several, and what an existing one has.
        definition: How the rows are made, as a text that changes with it; None where nobody says.
        erased: Rows that are not among those that come, since they were erased; None where that is not told.
        share: The rows of it that are loaded and replaced, where the table holds several measurements.
        docs: What the table is to say of its columns, by their names here; nothing is taken from the others.
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
        """The columns whose bounds tell which rows a file holds."""
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
    """Where the rows of a commit come from; kept in the snapshot.

    Attributes:
        source: The identity of the source: another source's rows are not replaced unnoticed.
        run_id: The run that wrote them.
        adopt: Whether a table that belongs to another source, or to nobody, becomes this source's.
        declared: The identities of all sources that the table is declared to have, the one it belongs to first; none
            where that is `source` alone.
    """

    source: str
    run_id: str
    adopt: bool = False
    declared: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The source that the table belongs to."""
        return self.declared[0] if self.declared else self.source
