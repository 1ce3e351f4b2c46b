"""The schema of a measurement as its source declares it: columns with role and type."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from influx_lake.config.values.conditions import All, Condition

TIME = "time"
"""The name of the time column, in InfluxDB and in the lake."""

VARIANT_OF = "influx_lake.variant_of"
"""The Arrow field metadata of a column with a field's values of a second type: the name of the first one's."""


MADE_OF = "influx_lake.made_of"
"""The Arrow field metadata of a computed column: a JSON list of its source columns."""

MISFIT = "influx_lake.misfit"
"""The Arrow field metadata of a column of values that did not fit the table's type and go to the quarantine: the
reason.
"""


class Role(StrEnum):
    """A column's role in InfluxDB."""

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
        role: Its role in InfluxDB.
        type: Its type.
        variant_of: The column with the same field's values of another type, where the source has several.
        made_of: The source columns that it is computed from; None: the one with its name.
        doc: Its documentation.
        iceberg_type: A given Iceberg type; None: that of `type`.
        is_compared: Whether a row has the same value in it at every load.
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
        """The source columns that it is computed from."""
        return (self.name,) if self.made_of is None else self.made_of


_ORDER = {Role.TIME: 0, Role.TAG: 1, Role.FIELD: 2}


@dataclass(frozen=True, slots=True)
class MeasurementSchema:
    """The columns of one measurement: time first, then tags, then fields, each group by name.

    A source declares all columns; `select` restricts what is read to some of them, with the time, and to rows that meet
    a condition. Where fields are left out, a point with none of the selected ones is not a row: InfluxQL and Flux do
    not return it.

    Attributes:
        measurement: The measurement's name in the source.
        where: The condition of the wanted rows; None: all. Only for sources that support conditions.
        left_out: The declared columns that are not read.
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
        """Whether a point counts as a row only if it has one of the selected fields."""
        return bool(self.fields) and any(column.role is Role.FIELD for column in self.left_out)

    def column(self, name: str) -> Column | None:
        """A declared column, including those left out."""
        return next((column for column in (*self.columns, *self.left_out) if column.name == name), None)

    @property
    def types(self) -> dict[str, ColumnType]:
        """The types of all declared columns, by name."""
        return {column.name: column.type for column in (*self.columns, *self.left_out)}

    @property
    def whole(self) -> MeasurementSchema:
        """The declared schema: all columns and rows."""
        if not self.left_out:
            return self if self.where is None else replace(self, where=None)
        declared = sorted((*self.columns, *self.left_out), key=lambda column: (_ORDER[column.role], column.name))
        return MeasurementSchema(self.measurement, tuple(declared))

    def select(self, names: Collection[str], where: Condition | None = None) -> MeasurementSchema:
        """A schema with some of the columns, time included, and a condition on rows.

        Args:
            names: The columns to read.
            where: The condition, added to the present one.

        Raises:
            ValueError: A name is not a column.
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
        """The time column."""
        return next(column.name for column in self.columns if column.role is Role.TIME)
