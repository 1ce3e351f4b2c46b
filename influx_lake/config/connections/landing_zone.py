"""The source type `landing_zone`: files that a pipeline writes to dated folders."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from influx_lake.config.connections.point_files import PointFilesConfig, check_staging
from influx_lake.config.connections.records import LandedMeasurement, RecordOptions, check_records
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.locations import stored_path
from influx_lake.config.values.timestamps import TimeZone
from influx_lake.config.values.units import Duration
from influx_lake.config.values.validated_names import Form, Text

DATES = ("year", "month", "day", "hour")


def _template(path: str, info: ValidationInfo) -> str:
    try:
        parts = [part for part in Formatter().parse(path) if part[1] is not None]
    except ValueError:
        raise ValueError("has a { or } without the other: write {{ and }} for braces of the path") from None
    names = [name or "" for _, name, _, _ in parts]
    if unknown := sorted(set(names) - {*DATES, "measurement"}):
        raise ValueError(f"has {{{unknown[0]}}}: write {{measurement}}, {', '.join(f'{{{each}}}' for each in DATES)}")
    for _, name, form, conversion in parts:
        if form or conversion:
            shown = f"{name}!{conversion}" if conversion else f"{name}:{form}"
            raise ValueError(f"has {{{shown}}}, and there is no form to choose: write {{{name}}}")
    dates = [name for name in names if name in DATES]
    if not dates or dates != list(DATES[: len(dates)]):
        raise ValueError("needs dates from the year down, such as year={year}/month={month}/day={day}")
    return stored_path(path, info)


_DELIMITER = Form(r"^[^\"\r\n\x00]$", "a delimiter: one character, and no quotation mark or line break")


class LandingZoneConfig(RecordOptions, PointFilesConfig):
    """Folders by date, in which a pipeline lands files of points: JSON lines, CSV or Parquet."""

    type: Literal["landing_zone"] = Field(description="Files that a pipeline lands in folders by date.")
    path: Annotated[str, Field(min_length=1), AfterValidator(_template)] = Field(
        description="The folders: {measurement}, {year}, {month}, {day} and {hour} stand for their parts.",
        examples=["s3://telegraf/{measurement}/year={year}/month={month}/day={day}/hour={hour}"],
    )
    database: str = Field(min_length=1, description="What the measurements are of: the default of `namespace`.")
    format: Literal["json", "csv", "parquet"] = Field(
        default="json", description="What the files hold: JSON lines as Telegraf writes them, CSV, or Parquet."
    )
    delimiter: Annotated[str, _DELIMITER] = Field(
        default=",",
        description="What separates the values of a row of CSV: one character.",
        examples=[";", "\t"],
    )
    header: Annotated[tuple[Text, ...], Distinct()] = Field(
        default=(),
        description="The names of the columns of CSV whose files have no header, in their order. A row that holds just "
        "these names is a header, and no data.",
        examples=[["timestamp", "name", "host", "usage"]],
    )
    late: Duration = Field(
        default="1h",
        validate_default=True,
        description="How long after its points a file may land: the folders of that time are read too.",
    )
    early: Duration = Field(
        default="1h",
        validate_default=True,
        description="How long before its points a file may land, where clocks are ahead or times are rounded: the "
        "folders of that time are read too.",
    )
    timezone: TimeZone = Field(
        default="UTC",
        description="Whose dates and hours the folders say (an IANA name).",
        examples=["UTC", "America/New_York"],
    )
    measurement_column: Text = Field(
        default="name", description="The column of the measurement's name, where `path` has no {measurement}."
    )
    columns: dict[Text, LandedMeasurement] = Field(
        default_factory=dict,
        description="Measurements whose columns are declared. For others every file is read once to learn them.",
        examples=[{"cpu": {"tags": ["host"], "fields": {"usage_idle": "float"}}}],
    )

    @model_validator(mode="after")
    def _check_staging(self) -> Self:
        check_staging(self.staging, self.path, deep=True)
        return self

    @model_validator(mode="after")
    def _check_header(self) -> Self:
        if self.format != "csv" and (self.header or self.delimiter != ","):
            message = "header and delimiter are options of CSV: write format: csv, or leave them out"
            raise contradiction(message, "header" if self.header else "delimiter")
        required = [self.timestamp, *([] if "{measurement}" in self.path else [self.measurement_column])]
        if self.header and (missing := [name for name in required if name not in self.header]):
            message = f"has no column {missing[0]!r}: name the column of the time, and of the measurement"
            raise contradiction(message, "header")
        return self

    @model_validator(mode="after")
    def _check_records(self) -> Self:
        check_records(self)
        return self

    @property
    def label(self) -> str:
        """A description for people."""
        return f"the files in `{self.path}`"
