"""The option `columns`: descriptions and units of a table's columns."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config.values.units import YesNo
from influx_lake.config.values.validated_names import Text


class ColumnOptions(BaseModel):
    """What is said of a column."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    description: Text | None = Field(
        default=None, description="What it holds.", examples=["Time that the core was idle."]
    )
    unit: Text | None = Field(default=None, description="The unit of its values.", examples=["%", "bytes", "°C"])
    samples: YesNo = Field(
        default=True, description="false keeps its values off the pages that `influx-lake docs` writes."
    )

    @property
    def doc(self) -> str | None:
        """The column's Iceberg doc; None where nothing is set."""
        if self.unit is None:
            return self.description
        return f"In {self.unit}" if self.description is None else f"{self.description} (in {self.unit})"
