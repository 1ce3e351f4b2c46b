"""What a measurement's columns are, as its source declares them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
    """The columns of one measurement: time first, then tags, then fields, each group by name."""

    measurement: str
    columns: tuple[Column, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.role is Role.TAG)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.role is Role.FIELD)
