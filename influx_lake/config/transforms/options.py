"""The transforms of a measurement: `where`, `rename`, `map`, `types`, `computed`, `constants`, ..."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails

from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.transforms.column_selection import FieldOptions, TagOptions
from influx_lake.config.values.sql_expression import check_row_filter, check_value
from influx_lake.config.values.validated_names import Text

OTHERWISE = "*"
"""The key of `map` for all values that it does not list."""


class Duplicates(StrEnum):
    """What happens to points that cannot be told apart any more when tags are left out."""

    KEEP = "keep"
    LAST = "last"


class OnCastError(StrEnum):
    """What happens to a value that cannot be cast without loss."""

    FAIL = "fail"
    NULL = "null"
    QUARANTINE = "quarantine"


class Metadata(StrEnum):
    """What a column can tell of where a row comes from, and when."""

    MEASUREMENT = "measurement"
    DATABASE = "database"
    SOURCE = "source"
    WINDOW_START = "window_start"
    LOADED_AT = "loaded_at"
    RUN_ID = "run_id"

    @property
    def is_of_load(self) -> bool:
        """Whether it differs from load to load."""
        return self in (Metadata.LOADED_AT, Metadata.RUN_ID)


def _read_metadata(value: Any) -> Any:
    if isinstance(value, list | tuple):
        mistakes = [(place, _mistake_in(value, place)) for place in range(len(value))]
        found = [
            InitErrorDetails(
                type="value_error", loc=(place,), input=str(value[place]), ctx={"error": ValueError(message)}
            )
            for place, message in mistakes
            if message is not None
        ]
        if found:
            raise ValidationError.from_exception_data("list", found)
        return {str(name): str(name) for name in value}
    if isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic takes ValueErrors
            "is a list, such as [measurement, loaded_at], or names for columns: {ingested_at: loaded_at}"
        )
    return value


def _mistake_in(names: Sequence[Any], place: int) -> str | None:
    if names[place] in names[:place]:
        return "is named twice in this list: take one of them out"
    return None if names[place] in tuple(Metadata) else _unknown(names[place])


def _unknown(value: Any) -> str:
    return f"is not one of {', '.join(Metadata)}{suggestion(str(value), tuple(Metadata))}"


def _metadata_of(value: Any) -> Any:
    if value not in tuple(Metadata):
        raise ValueError(_unknown(value))
    return Metadata(value)


MetadataColumns: TypeAlias = Annotated[
    dict[Text, Annotated[Metadata, BeforeValidator(_metadata_of)]],
    BeforeValidator(_read_metadata),
    PlainSerializer(lambda columns: {name: str(kind) for name, kind in columns.items()}, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"enum": list(Metadata)}, "uniqueItems": True},
                {"type": "object", "additionalProperties": {"enum": list(Metadata)}},
            ]
        }
    ),
]


def _null_in_words(value: Any) -> Any:
    # YAML's null, which is how people write it.
    return OnCastError.NULL if value is None else value


def _check_new_names(rename: dict[str, str]) -> dict[str, str]:
    by_name: dict[str, str] = {}
    for source, name in rename.items():
        other = by_name.setdefault(name, source)
        if other != source:
            raise ValueError(f"gives {other} and {source} the same name, {name}: two columns cannot share one")
    return rename


def _some_values(values: dict[str, str | None]) -> dict[str, str | None]:
    if not values:
        raise ValueError("maps nothing: write values, such as {GET: read, POST: write}")
    return values


class PrefixOptions(BaseModel):
    """What the names of columns begin with in the table."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    tags: str = Field(default="", description="What the names of tags begin with.", examples=["tag_"])
    fields: str = Field(default="", description="What the names of fields begin with.")


class TransformOptions(BaseModel):
    """How rows are shaped on their way into their table."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    fields: FieldOptions = Field(
        default=FieldOptions(),
        description="Which fields are read, by their names in InfluxDB; what is left out is not asked of the source. A "
        "point that has none of the fields that are read is left out with them.",
        examples=[{"include": ["usage_*"]}],
    )
    tags: TagOptions = Field(
        default=TagOptions(),
        description="Which tags are read, by their names in InfluxDB (`include`, `exclude`). Every other entry is a "
        "label to find the measurement by in Dagster.",
        examples=[{"exclude": ["host_id"]}, {"tier": "gold"}],
    )
    duplicates: Duplicates | None = Field(
        default=None,
        description="What happens to points that only a tag told apart which is left out: `keep` keeps them as rows of "
        "the same time and tags, `last` keeps the one whose values sort last. Without it, no tag may be left out.",
    )
    rename: Annotated[dict[Text, Text], AfterValidator(_check_new_names)] = Field(
        default_factory=dict,
        description="Names in the table by names in InfluxDB, as they are to be: neither `prefix` nor `column_names` "
        "changes them. `time` may get another name too.",
        examples=[{"usage_idle": "cpu_idle_percent", "time": "timestamp"}],
    )
    prefix: PrefixOptions = Field(
        default=PrefixOptions(),
        description="What the names of tags and fields begin with in the table, those apart that `rename` names.",
        examples=[{"tags": "tag_"}],
    )
    formats: dict[Text, Text] = Field(
        default_factory=dict,
        description="How texts are written that `types` makes something else of, by column: times as in strptime "
        "(`%d.%m.%Y %H:%M`), or `unix`, `unix_ms`, `unix_us`, `unix_ns` for whole numbers; numbers by an example "
        "that shows their separators (`1.234,56`); booleans by both words (`yes/no`). Default: times as ISO 8601, "
        "numbers as 1234.56, booleans as true or false in any case.",
        examples=[{"started": "%d/%b/%Y:%H:%M:%S %z", "amount": "1.234,56", "enabled": "yes/no"}],
    )
    on_cast_error: Annotated[OnCastError, BeforeValidator(_null_in_words)] = Field(
        default=OnCastError.FAIL,
        description="What happens to a value that `types` cannot hold exactly or cannot read: `fail` stops the run, "
        "`null` leaves the column empty, `quarantine` sends the row to the table's own `__quarantine` table.",
    )
    map: dict[Text, Annotated[dict[str, str | None], AfterValidator(_some_values)]] = Field(
        default_factory=dict,
        description="Values for values, by columns as the table names them; `*` stands for every value that is not "
        "named, and without it such values stay. The column keeps its type where every new value is written as one of "
        "it, else it becomes text. What has no value gets none.",
        examples=[{"method": {"GET": "read", "POST": "write"}, "region": {"us-east": "us-east-1", "*": "unknown"}}],
    )
    computed: dict[Text, Annotated[Text, AfterValidator(check_value)]] = Field(
        default_factory=dict,
        description="Further columns, each a SQL expression (DuckDB) over the columns of the row as the table names "
        "them and over computed columns that stand before it.",
        examples=[{"cpu_used": "round(100 - usage_idle, 2)", "memory_critical": "used_percent > 95"}],
    )
    constants: dict[Text, str] = Field(
        default_factory=dict,
        description="Columns that have the same text in every row; `types` makes another type of it.",
        examples=[{"pipeline_version": "1.0"}],
    )
    metadata_columns: MetadataColumns = Field(
        default_factory=dict,
        description="Columns that tell where a row comes from: `measurement`, `database` and `source` (its name in "
        "lake.yaml) as text, `window_start` (where its partition starts) and `loaded_at` as times, `run_id` as text; a "
        "list, or names for them. loaded_at and run_id change from load to load and are not compared.",
        examples=[["measurement", "loaded_at"], {"ingested_at": "loaded_at"}],
    )
    where: Annotated[Text, AfterValidator(check_row_filter)] | None = Field(
        default=None,
        description="Only the rows for which this SQL condition (DuckDB) over the columns as the table names them is "
        "true. The source applies it where its language can say it exactly.",
        examples=["region <> 'test'"],
    )

    @property
    def transforms(self) -> bool:
        """Whether any transform is set."""
        choosing = self.fields.chooses or self.tags.chooses
        naming = self.rename or self.prefix != PrefixOptions()
        return bool(
            choosing or naming or self.map or self.computed or self.constants or self.metadata_columns or self.where
        )

    @property
    def casts_otherwise(self) -> bool:
        """Whether options change how `types` casts."""
        return bool(self.formats) or self.on_cast_error is not OnCastError.FAIL


def transform_options(options: TransformOptions) -> TransformOptions:
    """These options of a larger model."""
    return TransformOptions(**{name: getattr(options, name) for name in TransformOptions.model_fields})
