"""What may be said of a measurement, and what holds where nothing is said."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from influx_lake.config.guards import GuardOptions
from influx_lake.config.modes import ModeOptions
from influx_lake.config.problems import suggestion
from influx_lake.config.quantities import Duration, Size
from influx_lake.config.sort_order import SortTerms
from influx_lake.config.table_layout import PartitionTerms
from influx_lake.config.table_properties import TableProperties
from influx_lake.config.types import TypeOptions
from influx_lake.config.windows import Every

FIRST_START = date(2026, 1, 1)
"""Where the history of a lake starts that does not say it."""

# Dagster's own rules, checked here so that a mistake has a line; a test compares them with Dagster's.
_EMAIL = re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Z|a-z]{2,7}\b")
_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")
_GROUP = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*")
_TABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


class SchemaEvolution(StrEnum):
    """How a table may change when the source's columns do."""

    STRICT = "strict"
    ADD_COLUMNS = "add_columns"
    FULL = "full"


class Compression(StrEnum):
    """How Parquet pages are compressed."""

    NONE = "none"
    SNAPPY = "snappy"
    GZIP = "gzip"
    LZ4 = "lz4"
    ZSTD = "zstd"
    BROTLI = "brotli"


COMPRESSION_LEVELS = {
    Compression.GZIP: range(1, 10),
    Compression.LZ4: range(1, 13),
    Compression.ZSTD: range(1, 23),
    Compression.BROTLI: range(12),
}
"""The levels of the codecs that have levels."""


def _name(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if pattern.fullmatch(value) is None:
            raise ValueError(f"is not {what}")
        return value

    return AfterValidator(check)


def _check_namespace(value: str) -> str:
    if not all(_TABLE.fullmatch(part) for part in value.split(".")):
        raise ValueError("is not a namespace: parts of letters, digits, _ and - with dots between, such as plant.raw")
    return value


def _check_owner(value: str) -> str:
    if _EMAIL.fullmatch(value) is None and not (value.startswith("team:") and len(value) > len("team:")):
        raise ValueError("is not an owner: write an e-mail address, or team:name")
    return value


def _check_tag_key(value: str) -> str:
    if value.startswith("dagster/"):
        raise ValueError("is Dagster's own: tags that start with dagster/ are set by the lake")
    if _TAG_KEY.fullmatch(value) is None:
        raise ValueError("is not a tag: letters, digits, _, - and . (at most 63), optionally after a prefix and a /")
    return value


def _check_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        guess = suggestion(value, available_timezones())
        raise ValueError(f"is not a time zone{guess or ': write an IANA name, such as Europe/Berlin'}") from None
    return value


def _read_start(value: Any) -> Any:
    """A date or time; one without a zone stays so: it is the partition's own zone's."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    else:
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise ValueError("is not a date or time: write 2026-01-31, or 2026-01-31T06:00:00Z") from None
    # The first and last years leave no room for zones; InfluxDB's own times end in between.
    if not 1678 <= moment.year <= 2261:
        raise ValueError("is outside the time that InfluxDB can hold, 1678 to 2261")
    return moment


Text = Annotated[str, Field(min_length=1)]
Owner = Annotated[str, AfterValidator(_check_owner)]
TagKey = Annotated[str, AfterValidator(_check_tag_key)]
TagValue = Annotated[str, _name(_TAG_VALUE, "a tag's value: letters, digits, _, - and . (at most 63)")]
TableName = Annotated[str, _name(_TABLE, "a table's name: letters, digits, _ and -"), Field(pattern=None)]
Start = Annotated[
    datetime,
    BeforeValidator(_read_start),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{4}-?\d{2}-?\d{2}([T ].*)?$",
            "examples": ["2026-01-01", "2026-01-01T06:00Z"],
        }
    ),
]


class PartitionOptions(BaseModel):
    """How a measurement's time is cut into partitions, each a window that is replaced as a whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: Every = Field(default=Every.DAY, description="How long a partition is. Weeks start on Monday.")
    start: Start | None = Field(
        default=None,
        description="Where the first partition starts: the oldest time to load. Without a zone it is a time of "
        "`timezone`. Default: the partition that holds 2026-01-01.",
    )
    timezone: Annotated[str, AfterValidator(_check_timezone)] = Field(
        default="UTC",
        description="Whose midnights bound days, weeks and months (an IANA name). Hours are UTC's.",
        examples=["UTC", "Europe/Berlin"],
    )


class WriteOptions(ModeOptions):
    """How rows get into the table, and how its data files are written."""

    compression: Compression = Field(default=Compression.ZSTD, description="How Parquet pages are compressed.")
    compression_level: int | None = Field(
        default=None,
        description="The codec's level: gzip 1 to 9, lz4 1 to 12, zstd 1 to 22, brotli 0 to 11. Default: the codec's.",
        ge=0,
        le=22,
    )
    target_file_size: Size = Field(
        default=512_000_000, ge=1, description="How large a data file gets on disk before the next one is begun."
    )
    row_group_size: int = Field(
        default=262_144,
        ge=1,
        description="How many rows a row group has at most. Fewer where they would take more memory: 64 MiB, or "
        "256 MiB where this is stated.",
    )
    bloom_filter: tuple[Text, ...] = Field(
        default=(),
        description="Columns, as they are called in the table, whose files get a bloom filter: readers that look for "
        "single values pass over the row groups without them.",
        examples=[["host"]],
    )
    sort_by: SortTerms = Field(
        default=None,
        description="Sort the rows of each window by these columns, each optionally with `desc`, and record it as the "
        "table's sort order; `none`: do not sort, and record that. Default: do not sort, and leave the table's order.",
    )


class DefaultOptions(TypeOptions, GuardOptions):
    """What holds for every measurement that does not say otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Text | None = Field(
        default=None, description="Which of `sources`. Default: the one called `default`, or the only one."
    )
    namespace: Annotated[str, AfterValidator(_check_namespace)] | None = Field(
        default=None,
        description="The Iceberg namespace of the table, parts with dots between. Default: the database's name.",
        examples=["telemetry", "plant.raw"],
    )
    partition: PartitionOptions = Field(default=PartitionOptions(), description="How time is cut into partitions.")
    iceberg_partition: PartitionTerms = Field(
        default=None,
        description="The partition fields of the Iceberg table: a list of columns, identity(col), bucket(n, col), "
        "truncate(w, col), year(time), month(time), day(time) and hour(time); or `none`. A table that exists is "
        "changed to it, and its files stay. `table_default`: a new table has day(time), another stays as it is.",
    )
    lag: Duration = Field(
        default=timedelta(minutes=10), description="How long after its end a partition is due: time for late points."
    )
    write: WriteOptions = Field(default=WriteOptions(), description="How rows get into the table, and its files.")
    table_properties: TableProperties = Field(
        default_factory=dict,
        description="Properties of the Iceberg table, set where the table has others. Those that concern the lake's "
        "writer and commits are honoured, those of other engines kept for them, the rest is refused.",
        examples=[{"write.parquet.page-size-bytes": 262144, "history.expire.min-snapshots-to-keep": 5}],
    )
    schema_evolution: SchemaEvolution = Field(
        default=SchemaEvolution.ADD_COLUMNS,
        description="How the table may change when the source's columns do: `add_columns` adds the new ones, `full` "
        "also widens types (int to long, float to double, a decimal to more digits), `strict` changes nothing and "
        "stops the run.",
    )
    description: Text | None = Field(
        default=None, description="What the measurement is, in Markdown, for the catalog of assets."
    )
    owners: tuple[Owner, ...] = Field(
        default=(), description="Who answers for it: e-mail addresses or team:name.", examples=[["team:platform"]]
    )
    tags: dict[TagKey, TagValue] = Field(
        default_factory=dict, description="Labels to find it by in Dagster.", examples=[{"tier": "gold"}]
    )
    group: Annotated[str, _name(_GROUP, "a group: letters, digits and _, with / between levels")] | None = Field(
        default=None, description="The Dagster asset group. Default: the namespace."
    )
    enabled: bool = Field(
        default=True, description="false leaves the measurement out of the lake, also where a pattern matches it."
    )


class MeasurementOptions(DefaultOptions):
    """One measurement, or a pattern (`*`, `?`, `[a-z]`) of measurements."""

    measurement: Text | None = Field(
        default=None,
        description="The measurement's name in InfluxDB, where the key is another name for it: one measurement of two "
        "sources, or a name that holds *, ? or [.",
    )
    table: TableName | None = Field(
        default=None, description="The Iceberg table. Default: the key, with _ for what a table's name cannot hold."
    )
