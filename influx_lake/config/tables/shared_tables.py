"""Tables that hold several measurements, and their layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from influx_lake.config.values.units import YesNo

LONG_TABLE = "all_metrics"
"""The table of measurements in the long layout, unless another is named."""
MEASUREMENT, TAGS, METRIC = "measurement", "tags", "metric_name"
VALUE, INTEGER, BOOLEAN, TEXT = "metric_value", "value_integer", "value_boolean", "value_string"
"""The columns of the long layout, beside the time."""


@dataclass(frozen=True, slots=True)
class Share:
    """A measurement's rows of a table that holds several measurements: those with its name in a column.

    Attributes:
        column: The column that holds the measurement's name, as the table calls it.
        value: What it holds in the measurement's rows.
        is_alone: Whether no other measurement is declared for the table. Then the whole table is the measurement's
            where rows are in it that were not loaded as one measurement's of several.
    """

    column: str
    value: str
    is_alone: bool = False


class LongOptions(BaseModel):
    """Which values have columns of their own in the long layout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
        """The columns of the table, beside the time."""
        more = ((INTEGER, self.integers), (BOOLEAN, self.booleans), (TEXT, self.texts))
        return (MEASUREMENT, TAGS, METRIC, VALUE, *(name for name, is_there in more if is_there))


def _read_layout(value: Any) -> Any:
    if isinstance(value, LongOptions) or value is None:
        return value
    if value == "wide":
        return None
    if value == "long":
        return {}
    if isinstance(value, dict) and set(value) == {"long"}:
        return value["long"] if value["long"] is not None else {}
    raise ValueError("is none of `wide`, `long` and `{long: {integers: true, booleans: true, texts: true}}`")


Layout = Annotated[
    LongOptions | None,
    BeforeValidator(_read_layout),
    PlainSerializer(lambda value: "wide" if value is None else {"long": value.model_dump()}, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["wide", "long"]},
                {
                    "type": "object",
                    "properties": {"long": LongOptions.model_json_schema()},
                    "required": ["long"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""The layout of a table: None is wide, a column for each field."""
