"""The option `rollups`: downsampled tables, their buckets and aggregate functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from influx_lake.config.maintenance.options import Maintenance, MaintenanceOptions
from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.tables.file_options import FileOptions, WriteOptions
from influx_lake.config.tables.table_layout import PartitionTerm, PartitionTerms
from influx_lake.config.tables.table_properties import TableProperties
from influx_lake.config.values.buckets import Bucket, BucketLength
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.units import Size, YesNo
from influx_lake.config.values.validated_names import Namespace, Owner, TableName, TagKey, TagValue, Text

PERCENTILE_PATTERN = r"p\d{1,2}(\.\d{1,3})?"
_PERCENTILE = re.compile(PERCENTILE_PATTERN, re.ASCII)


class Aggregate(StrEnum):
    """An aggregate function, other than percentiles."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    SUM = "sum"
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of the values of a bucket.

    Attributes:
        percent: The percentile: above 0, below 100.
    """

    percent: float

    def __str__(self) -> str:
        return f"p{self.percent:g}"


Function: TypeAlias = Aggregate | Percentile


def parse_function(value: object) -> Function:
    """Parse `mean`, `p95` or `p99.9`.

    Raises:
        ValueError: It is not a function.
    """
    if isinstance(value, Aggregate | Percentile):
        return value
    text = str(value)
    if _PERCENTILE.fullmatch(text) and float(text[1:]):
        return Percentile(float(text[1:]))
    if text not in tuple(Aggregate):
        known = ", ".join(Aggregate)
        raise ValueError(f"is not one of {known} and percentiles such as p95{suggestion(text, tuple(Aggregate))}")
    return Aggregate(text)


def _some(functions: tuple[Function, ...]) -> tuple[Function, ...]:
    if not functions:
        raise ValueError("names no function: write some, such as [mean, max], or leave the option out")
    return functions


def _no_time_among(columns: Iterable[str] | None) -> Any:
    if columns is not None and TIME in columns:
        raise ValueError(f"names `{TIME}`, which is what buckets are made of")
    return columns


def _read_function(value: Any) -> Any:
    return parse_function(value)


Functions: TypeAlias = Annotated[
    tuple[
        Annotated[
            Function,
            BeforeValidator(_read_function),
            WithJsonSchema(
                {"anyOf": [{"enum": list(Aggregate)}, {"type": "string", "pattern": f"^{PERCENTILE_PATTERN}$"}]}
            ),
        ],
        ...,
    ],
    Distinct(),
    AfterValidator(_some),
]

DEFAULT_FUNCTIONS: tuple[Function, ...] = (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.COUNT)


class RollupOptions(BaseModel):
    """A downsampled table that follows a measurement's: a row for each bucket of time and combination of tags."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    every: BucketLength | None = Field(
        default=None,
        description="How long a bucket is: a part of a day (15m, 1h, 6h), or 1d, 1w or month. A partition of the "
        "measurement holds whole buckets; days, weeks and months are those of its `timezone`. Required, "
        "here or in `defaults`.",
    )
    by: Annotated[tuple[Text, ...] | None, Distinct(), AfterValidator(_no_time_among)] = Field(
        default=None,
        description="The columns that rows are kept apart by, as they are called in the table; `[]` for none. "
        "Default: all tags, also those that appear later.",
        examples=[["host"], []],
    )
    functions: Functions | None = Field(
        default=None,
        description="What is computed of every numeric field that `fields` does not name, also of those that appear "
        "later: mean, min, max, count, sum, first, last, or a percentile such as p95. Default: mean, min, max and "
        "count; nothing where `fields` is given.",
        examples=[["mean", "max", "p95"]],
    )
    fields: Annotated[dict[Text, Functions] | None, AfterValidator(_no_time_among)] = Field(
        default=None,
        description="What is computed of single columns, as they are called in the table. count, min, max, first and "
        "last take values of every type, the others numbers.",
        examples=[{"usage_idle": ["mean", "min", "p95"]}],
    )
    namespace: Namespace | None = Field(
        default=None, description="The Iceberg namespace of its table. Default: the measurement's."
    )
    table: TableName | None = Field(
        default=None, description="Its Iceberg table. Default: the measurement's table, _ and the roll-up's name."
    )
    iceberg_partition: PartitionTerms = Field(
        default=None, description="The partition fields of its table, as for a measurement."
    )
    write: FileOptions = Field(
        default=FileOptions(),
        description="How its data files are written. Default: as the measurement's, apart from `bloom_filter` and "
        "`sort_by`.",
    )
    table_properties: TableProperties = Field(
        default_factory=dict, description="Properties of its table, as for a measurement."
    )
    maintenance: Maintenance = Field(
        default=MaintenanceOptions(),
        description="How its table is kept fast to read; `off` leaves it alone. Default: as the measurement's, apart "
        "from the columns of `statistics`.",
    )
    memory_limit: Size = Field(
        default=512_000_000,
        ge=64_000_000,
        description="How much memory computing it may take; what does not fit waits on disk.",
    )
    spill_directory: Text | None = Field(
        default=None, description="Where it waits: a folder with room. Default: the system's for temporary files."
    )
    adopt: YesNo = Field(
        default=False,
        description="Write to the table also when it holds rows of another definition or of somebody else.",
    )
    description: Text | None = Field(default=None, description="What it is, in Markdown, for the catalog of assets.")
    owners: Annotated[tuple[Owner, ...] | None, Distinct()] = Field(
        default=None, description="Who answers for it. Default: the measurement's owners."
    )
    tags: dict[TagKey, TagValue] = Field(
        default_factory=dict, description="Labels to find it by in Dagster, beside the measurement's."
    )
    enabled: YesNo = Field(default=True, description="false leaves it out, where `defaults` declare it.")


@dataclass(frozen=True)
class Rollup:
    """A resolved roll-up of a measurement.

    Attributes:
        name: Its key in lake.yaml.
        namespace: Its table's namespace.
        table: Its table's own name.
        bucket: The length of a bucket.
        by: The group-by columns; None: all tags.
        functions: The functions for numeric fields that are not listed.
        fields: The functions for those that are.
        iceberg_partition: The partition fields of its table; see `Measurement`.
        write: The options of data files.
        table_properties: Properties of its table.
        maintenance: The maintenance options; None: off.
        memory_limit: The memory for computing it, in bytes.
        spill_directory: The folder for temporary files; None: the system's.
        adopt: Whether a table with other rows is written to.
        description: Its description.
        owners: Its owners.
        tags: Labels in Dagster.
        asset: The key of its Dagster asset, where that differs from its table.
    """

    name: str
    namespace: tuple[str, ...]
    table: str
    bucket: Bucket
    by: tuple[str, ...] | None = None
    functions: tuple[Function, ...] = ()
    fields: Mapping[str, tuple[Function, ...]] = field(default_factory=dict, hash=False)
    iceberg_partition: tuple[PartitionTerm, ...] | None = None
    write: WriteOptions = field(default=WriteOptions())
    table_properties: Mapping[str, str] = field(default_factory=dict, hash=False)
    maintenance: MaintenanceOptions | None = field(default=MaintenanceOptions())
    memory_limit: int = 512_000_000
    spill_directory: str | None = None
    adopt: bool = False
    description: str | None = None
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    asset: tuple[str, ...] | None = None

    @property
    def identifier(self) -> tuple[str, ...]:
        """The table's full name, in parts."""
        return (*self.namespace, self.table)

    @property
    def table_name(self) -> str:
        """The table's full name: `telemetry.cpu_hourly`."""
        return ".".join(self.identifier)
