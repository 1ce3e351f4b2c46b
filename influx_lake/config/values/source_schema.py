"""What a measurement's columns are, as its source declares them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from influx_lake.config.values.conditions import All, Condition

TIME = "time"
"""The name of the time column, in InfluxDB and in the lake."""

VARIANT_OF = "influx_lake.variant_of"
"""The metadata of an Arrow column that holds a field's values of a second type: the name of the first one's."""


MADE_OF = "influx_lake.made_of"
"""The metadata of an Arrow column that was made of columns of a measurement: a JSON list of their names."""

MISFIT = "influx_lake.misfit"
"""The metadata of an Arrow column that holds what could not become of the table's type, where such rows go to the
quarantine: why."""


class Role(StrEnum):
    """What a column is to InfluxDB."""

    TAG = "tag"
    FIELD = "field"
    TIME = "time"


class ColumnType(StrEnum):
    """InfluxDB's value types, in the words of `system.influxdb_schema`, and three more that columns of tables have."""

    FLOAT = "float"
    INTEGER = "integer"
    UINTEGER = "uinteger"
    BOOLEAN = "boolean"
    STRING = "string"
    TIME = "time"
    DATE = "date"
    DECIMAL = "decimal"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a measurement, as its source has it, or as its table does. Tags of a source are strings.

    Attributes:
        name: Its name; no two columns of a measurement have the same.
        role: What it is to InfluxDB.
        type: Its values' type.
        variant_of: The column that holds the same field's values of another type, where the source has several.
        made_of: The columns of the source that it is made of; None: of the one that has its name.
        doc: What its name does not say.
        iceberg_type: The Iceberg type that it was given; None: the one that `type` has.
        is_compared: Whether the same row has the same value at every load.
    """

    name: str
    role: Role
    type: ColumnType
    variant_of: str | None = None
    made_of: tuple[str, ...] | None = None
    doc: str | None = None
    iceberg_type: str | None = None
    is_compared: bool = True

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the source that it is made of."""
        return (self.name,) if self.made_of is None else self.made_of


_ORDER = {Role.TIME: 0, Role.TAG: 1, Role.FIELD: 2}


@dataclass(frozen=True, slots=True)
class MeasurementSchema:
    """The columns of one measurement: time first, then tags, then fields, each group by name.

    A source declares all of them. What is read may be some (`select`), with the time, and the rows that a condition is
    true for. Where fields are left out, a point that has none of the others is not a row: InfluxQL and Flux do not
    return it.

    Attributes:
        measurement: The measurement's name in the source.
        where: The rows that are wanted; None: all of them. Only for sources that say that they take it.
        left_out: The other columns that the source declared, which are not read.
    """

    measurement: str
    columns: tuple[Column, ...]
    where: Condition | None = None
    left_out: tuple[Column, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.role is Role.TAG)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.role is Role.FIELD)

    @property
    def needs_a_field(self) -> bool:
        """Whether a point is a row only if it has one of the fields that are read: where others are left out."""
        return bool(self.fields) and any(column.role is Role.FIELD for column in self.left_out)

    def column(self, name: str) -> Column | None:
        """A column that the source declared, also one that is left out."""
        return next((column for column in (*self.columns, *self.left_out) if column.name == name), None)

    @property
    def types(self) -> dict[str, ColumnType]:
        """The types of all columns that the source declared, by their names."""
        return {column.name: column.type for column in (*self.columns, *self.left_out)}

    @property
    def whole(self) -> MeasurementSchema:
        """What the source declared: all columns, and all rows."""
        if not self.left_out:
            return self if self.where is None else replace(self, where=None)
        declared = sorted((*self.columns, *self.left_out), key=lambda column: (_ORDER[column.role], column.name))
        return MeasurementSchema(self.measurement, tuple(declared))

    def select(self, names: Collection[str], where: Condition | None = None) -> MeasurementSchema:
        """Some of the columns, with the time, and some of the rows.

        Args:
            names: The columns that are wanted.
            where: The rows that are wanted, of those that were before.

        Raises:
            ValueError: A name is no column's.
        """
        if unknown := {*names} - {column.name for column in self.columns}:
            raise ValueError(f"{self.measurement!r} has no column {min(unknown)!r}")
        kept = {TIME, *names}
        both = [each for each in (self.where, where) if each is not None]
        return MeasurementSchema(
            self.measurement,
            tuple(column for column in self.columns if column.name in kept),
            All(tuple(both)) if len(both) > 1 else next(iter(both), None),
            (*self.left_out, *(column for column in self.columns if column.name not in kept)),
        )

    @property
    def time(self) -> str:
        """The column of the time."""
        return next(column.name for column in self.columns if column.role is Role.TIME)
