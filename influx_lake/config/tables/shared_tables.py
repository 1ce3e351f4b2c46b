"""The options `layout` and shared tables: several measurements in one table, wide or long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from influx_lake.config.values.units import YesNo

LONG_TABLE = "all_metrics"
"""The default name of a long table."""
MEASUREMENT, TAGS, METRIC = "measurement", "tags", "metric_name"
VALUE, INTEGER, BOOLEAN, TEXT = "metric_value", "value_integer", "value_boolean", "value_string"
"""The columns of the long layout, beside the time."""


@dataclass(frozen=True, slots=True)
class Share:
    """The rows of a shared table that belong to a measurement: those with its name in a column.

    Attributes:
        column: The name of the column with the measurement's name.
        value: Its value in the measurement's rows.
        is_alone: Whether no other measurement is declared for the table. Then rows that were not loaded as part of a
            shared table are the measurement's too.
    """

    column: str
    value: str
    is_alone: bool = False


class LongOptions(BaseModel):
    """Which values have columns of their own in the long layout."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    integers: YesNo = Field(
        default=False,
        description="true puts integers in a column of their own, `value_integer`. Else they are doubles too, and a "
        "load stops at an integer that no double is equal to: some beyond 2^53.",
    )
    booleans: YesNo = Field(
        default=False,
        description="true puts booleans in a column of their own, `value_boolean`. Else they are 0 and 1.",
    )
    texts: YesNo = Field(
        default=False,
        description="true puts texts in a column of their own, `value_string`. Else fields of text are left out.",
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table, other than time."""
        more = ((INTEGER, self.integers), (BOOLEAN, self.booleans), (TEXT, self.texts))
        return (MEASUREMENT, TAGS, METRIC, VALUE, *(name for name, is_there in more if is_there))


class LayoutOptions(BaseModel):
    """How a measurement's points are rows: `wide`, a column for each field, or `long`, a row for each value."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    long: LongOptions | None = Field(
        default=None, description="A row for each value, in one table of all measurements."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_word(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {"long": {}} if value == {"long": None} else value
        if value not in (None, "wide", "long"):
            raise ValueError("is none of `wide`, `long` and `{long: {integers: true, booleans: true, texts: true}}`")
        return {"long": {}} if value == "long" else {}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        options = handler.resolve_ref_schema(handler(schema))
        return {"description": cls.__doc__, "anyOf": [{"enum": ["wide", "long"]}, dict(options)]}
