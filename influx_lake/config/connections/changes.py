"""The option `changes` of a source: the database reports which windows got points."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config.values.on_off import OnOff

CHANGES_TABLE = "influx_lake_changes"
"""The table in which the plugin inside InfluxDB 3 records changes. It is not a measurement."""


class ChangesOptions(BaseModel):
    """How a database reports which windows got points."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    table: str = Field(
        default=CHANGES_TABLE,
        min_length=1,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        description="InfluxDB 3: the table that the plugin writes, and the sensor `changed_windows` reads. It is there "
        "once the plugin told something, and none where it asks `influx-lake serve`.",
    )


TellingChanges = Annotated[ChangesOptions | None, OnOff()]
"""The option `changes`; None: the database does not report."""
