"""Price tables: storage, query and fixed prices that the user states in a file. None is built in."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from influx_lake.config.document.reading import read_document
from influx_lake.config.report.diagnostics import Report, suggestion
from influx_lake.config.values.pydantic_errors import validated
from influx_lake.config.values.validated_names import Text
from influx_lake.errors import ConfigurationError

GB = 1_000_000_000
TB = 1_000 * GB
DEFAULT = "default"

Price = Annotated[Decimal, Field(ge=0, max_digits=20, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    origin: Text = Field(description="Where the prices are from, and of which day: a page, a contract.")


class SourcePrices(_Table):
    """What a source costs."""

    storage_gb_month: Price | None = Field(default=None, description="A GB (10^9 bytes) that is kept for a month.")
    queries_1000: Price | None = Field(default=None, description="A thousand queries.")
    fixed_month: Price = Field(default=Decimal(0), description="What it costs a month whatever is kept: servers.")


class StoragePrices(_Table):
    """What a class of object storage, or a disk, costs."""

    storage_gb_month: Price = Field(description="A GB (10^9 bytes) that is kept for a month.")
    put_1000: Price = Field(default=Decimal(0), description="A thousand requests that write.")


class ScanPrices(_Table):
    """What a query engine costs."""

    scan_tb: Price = Field(description="A TB (10^12 bytes) of files that queries read.")


class PriceTable(BaseModel):
    """What a `prices.yaml` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: datetime.date = Field(description="The day of the prices.")
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = Field(description="Such as USD.")
    sources: dict[Text, SourcePrices] = Field(
        default_factory=dict, description="By the names of lake.yaml's sources; `default` is that of the others."
    )
    storage: dict[Text, StoragePrices] = Field(description="Classes of storage, by names of your choice.")
    lake: Text = Field(description="The class that the lake's tables are in.")
    scans: dict[Text, ScanPrices] = Field(default_factory=dict, description="Engines, by names of your choice.")
    one_off: Price = Field(default=Decimal(0), description="What it costs once to off-load: work, a migration.")

    @model_validator(mode="after")
    def _has_the_lake(self) -> PriceTable:
        if self.lake not in self.storage:
            known = ", ".join(self.storage)
            raise ValueError(f"lake: {self.lake!r} is none of `storage`{suggestion(self.lake, self.storage)}: {known}")
        return self

    def of_source(self, name: str) -> SourcePrices | None:
        """The prices of a source; None where the table has none."""
        return self.sources.get(name) or self.sources.get(DEFAULT)

    @property
    def of_lake(self) -> StoragePrices:
        """The prices of the lake's storage."""
        return self.storage[self.lake]


def load_prices(path: Path) -> PriceTable:
    """Load a price table.

    Raises:
        ConfigurationError: The file does not exist or has mistakes: all of them, each with its line.
    """
    if not path.is_file():
        raise ConfigurationError(
            f"there is no price table {path}", remedy="Write one: docs/cost.md has the form, and an example"
        )
    report = Report(path)
    found, _ = validated(PriceTable, read_document(path, report), (), report)
    report.refuse()
    assert found is not None
    return found
