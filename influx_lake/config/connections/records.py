"""Options of records that are not line protocol (JSON, CSV, Parquet): which columns are time, tags and fields."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.source_schema import TIME, ColumnType
from influx_lake.config.values.validated_names import Text

_RESERVED = {TIME: "what tables call a point's time"}
_FieldType = Literal["float", "integer", "uinteger", "boolean", "string"]


class LandedMeasurement(BaseModel):
    """The columns of one measurement."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    tags: Annotated[tuple[Text, ...], Distinct()] = Field(default=(), description="The columns that are tags.")
    fields: dict[Text, _FieldType] = Field(
        min_length=1, description="The fields, each with its type: float, integer, uinteger, boolean or string."
    )

    @property
    def types(self) -> dict[str, ColumnType]:
        """The fields' types."""
        return {name: ColumnType(kind) for name, kind in self.fields.items()}


class RecordOptions(BaseModel):
    """A source of records: which of their columns are what."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    timestamp: Text = Field(default="timestamp", description="The column of the time.")
    timestamp_units: Literal["ns", "us", "ms", "s"] = Field(
        default="s", description="What times count in that are numbers (Telegraf's json_timestamp_units)."
    )
    measurement_column: Text = Field(
        default="name", description="The column of the measurement's name, where nothing else tells it."
    )
    tags: Annotated[tuple[Text, ...], Distinct()] = Field(
        default=(), description="The columns that are tags, besides those in an object called `tags`."
    )
    columns: dict[Text, LandedMeasurement] = Field(
        default_factory=dict,
        description="Measurements whose columns are declared; those of others are as they come.",
        examples=[{"cpu": {"tags": ["host"], "fields": {"usage_idle": "float"}}}],
    )


def check_records(config: RecordOptions) -> None:
    """Check that no column is declared to be two things.

    Raises:
        ValidationError: One is.
    """
    own = {"timestamp": config.timestamp, "measurement_column": config.measurement_column}
    named = {**_RESERVED, **{column: f"the column of `{option}`" for option, column in own.items()}}
    declared = [(("columns", name, "tags"), known.tags) for name, known in config.columns.items()]
    for place, tags in [(("tags",), config.tags), *declared]:
        if taken := [column for column in named if column in tags]:
            message = f"{taken[0]!r} is {named[taken[0]]}, and no tag: correct one of them"
            raise contradiction(message, *place, tags.index(taken[0]))
    for name, known in config.columns.items():
        if taken := [column for column in known.fields if column in named]:
            message = f"{taken[0]!r} is {named[taken[0]]}, and no field: correct one of them"
            raise contradiction(message, "columns", name, "fields", taken[0])
        if both := [field for field in known.fields if field in (*known.tags, *config.tags)]:
            message = f"{both[0]!r} is also one of the tags: a column is a tag or a field"
            raise contradiction(message, "columns", name, "fields", both[0])
