"""What a measurement's columns are, as its source declares them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from influx_lake.config.values.conditions import Condition

TIME = "time"
"""The name of the time column, in InfluxDB and in the lake."""

VARIANT_OF = "influx_lake.variant_of"
"""The metadata of an Arrow column that holds a field's values of a second type: the name of the first one's."""


class Role(StrEnum):
    """What a column is to InfluxDB."""

    TAG = "tag"
    FIELD = "field"
    TIME = "time"


class ColumnType(StrEnum):
    """InfluxDB's value types, in the words of `system.influxdb_schema`."""

    FLOAT = "float"
    INTEGER = "integer"
    UINTEGER = "uinteger"
    BOOLEAN = "boolean"
    STRING = "string"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a measurement. Tags are strings.

    Attributes:
        name: Its name; no two columns of a measurement have the same.
        role: What it is to InfluxDB.
        type: Its values' type.
        variant_of: The column that holds the same field's values of another type, where the source has several.
    """

    name: str
    role: Role
    type: ColumnType
    variant_of: str | None = None


@dataclass(frozen=True, slots=True)
class MeasurementSchema:
    """The columns of one measurement: time first, then tags, then fields, each group by name.

    A source declares all of them; what is read may be some, with the time, and the rows that a condition is true for. A
    point that has none of the fields that are read is not a row then: InfluxQL and Flux do not return it.

    Attributes:
        measurement: The measurement's name in the source.
        columns: Its columns.
        where: The rows that are wanted; None: all of them. Only for sources that say that they take it.
    """

    measurement: str
    columns: tuple[Column, ...]
    where: Condition | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.role is Role.TAG)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.role is Role.FIELD)
