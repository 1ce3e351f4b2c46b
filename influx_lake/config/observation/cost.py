"""The section `cost`: the price table."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config.values.validated_names import Text


class CostOptions(BaseModel):
    """What `influx-lake cost` and the overview go by."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    prices: Text = Field(
        description="The table of prices; relative to the folder of the lake.yaml.", examples=["prices.yaml"]
    )

    def path(self, root: Path) -> Path:
        """The price table's absolute path.

        Args:
            root: The lake's folder.
        """
        return root / self.prices
