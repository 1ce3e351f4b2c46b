"""The options `checks` and `freshness` of a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from influx_lake.config.values.conflicting_options import Contradiction, contradiction
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.sql_expression import check_condition
from influx_lake.config.values.units import Duration, Number, WholeNumber, YesNo
from influx_lake.config.values.validated_names import Text

_WORDS = {"true": True, "false": False, True: True, False: False}


class Severity(StrEnum):
    """How bad a failed check is. Only an error stops what is downstream, where the check is `blocking`."""

    WARN = "warn"
    ERROR = "error"


class CheckSetting(BaseModel):
    """One check: `true`, `false`, or its options."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)
    default_severity: ClassVar[Severity] = Severity.ERROR

    enabled: YesNo | None = Field(
        default=None, description="Whether it is done. Default: where it is cheap and can find something."
    )
    severity: Severity | None = Field(default=None, description="What a failure counts as.")
    blocking: YesNo = Field(
        default=False, description="Whether a failure that is an error keeps what is downstream from running."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_switch(cls, value: Any) -> Any:
        if isinstance(value, str | bool):
            if value not in _WORDS:
                raise ValueError("is not true, false or options such as `severity: warn`")
            return {"enabled": _WORDS[value]}
        # Options of a check switch it on.
        return {"enabled": True, **value} if isinstance(value, dict) and value else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        options = handler.resolve_ref_schema(handler(schema))
        return {"description": cls.__doc__, "anyOf": [{"type": "boolean"}, dict(options)]}

    @property
    def counts_as(self) -> Severity:
        """The severity of a failure."""
        return self.severity or self.default_severity

    def is_on(self, *, by_default: bool) -> bool:
        """Whether the check is on; `by_default` applies where nothing is set."""
        return by_default if self.enabled is None else self.enabled


class WarningCheck(CheckSetting):
    """One check whose failure is a warning unless said otherwise: `true`, `false`, or its options."""

    default_severity: ClassVar[Severity] = Severity.WARN


class GapsCheck(WarningCheck):
    """Windows that are missing, and times without points: `true`, `false`, or options."""

    longer_than: Duration | None = Field(
        default=None,
        description="How long there may be no points. Reads the times of the window. Default: only windows are looked "
        "for, which reads nothing.",
    )
    by: Annotated[tuple[Text, ...], Distinct()] = Field(
        default=(),
        description="Columns, as they are called in the table, each of whose values must have points: [host]. Default: "
        "the measurement as a whole.",
        examples=[["host"]],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.by and self.longer_than is None:
            raise contradiction("needs longer_than: how long one of them may have no points", "by")
        if self.longer_than is not None and self.longer_than < timedelta(seconds=1):
            raise contradiction("is less than a second, the shortest that is looked for", "longer_than")
        return self


class SmallFilesCheck(WarningCheck):
    """Small files that could be few: `true`, `false`, or options."""

    most: WholeNumber = Field(
        default=100, ge=0, description="How many small files of time that is over may wait to be compacted."
    )


class OutliersCheck(WarningCheck):
    """Windows with far more or fewer rows than those before them: `true`, `false`, or options."""

    windows: WholeNumber = Field(
        default=14, ge=5, le=200, description="How many windows before it a window is compared with."
    )
    threshold: Annotated[Number, Field(gt=0, le=1_000_000)] = Field(
        default=5.0,
        description="How many deviations (1.4826 times the median absolute deviation, and at least 5 % of the median) "
        "from the median of the others are too many.",
    )
    columns: Annotated[tuple[Text, ...], Distinct()] = Field(
        default=(),
        description="Columns, as they are called in the table, whose mean is compared too. Reads them for the window; "
        "the means of the windows before come from earlier checks.",
        examples=[["usage"]],
    )


def _bounds(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be a list of two numbers, such as [0, 100], with null for no limit")
    try:
        low, high = (None if end is None else Decimal(str(end)) for end in value)
    except InvalidOperation:
        raise ValueError("its ends must be numbers, or null for no limit") from None
    if any(end is not None and not end.is_finite() for end in (low, high)):
        raise ValueError("its ends must be finite numbers, or null for no limit")
    if low is None and high is None:
        raise ValueError("one of its ends must be a number")
    if low is not None and high is not None and low > high:
        raise ValueError("its first number must be the smaller one: nothing lies between them")
    return low, high


Bounds = Annotated[
    tuple[Decimal | None, Decimal | None],
    BeforeValidator(_bounds),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": ["number", "string", "null"]},
            "minItems": 2,
            "maxItems": 2,
            "examples": [[0, 100]],
        }
    ),
]


class ValueRule(BaseModel):
    """What must hold for every row: of one column, or as a SQL condition."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    column: Text | None = Field(default=None, description="The column, as it is called in the table.")
    not_null: YesNo = Field(default=False, description="Every row has a value.")
    between: Bounds | None = Field(
        default=None, description="Every value lies between two numbers, both included; null for no limit."
    )
    accepted_values: Annotated[tuple[str, ...], Field(min_length=1), Distinct()] | None = Field(
        default=None, description="Every value is one of these.", examples=[["on", "off"]]
    )
    condition: Annotated[str, Field(min_length=1), AfterValidator(check_condition)] | None = Field(
        default=None,
        description="A DuckDB expression over the columns of a row that must not be false (extra `duckdb`).",
        examples=["used <= total"],
    )
    name: Text | None = Field(
        default=None, description="What the rule is called where its figures are shown. Default: what it says."
    )
    severity: Severity = Field(default=Severity.ERROR, description="What a failure counts as.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        tests = [self.not_null, self.between is not None, self.accepted_values is not None]
        if (self.column is None) == (self.condition is None):
            raise Contradiction("a rule has a column, or a condition: column: usage, between: [0, 100]")
        if self.condition is not None and any(tests):
            raise Contradiction("a condition stands alone: not_null, between and accepted_values are for a column")
        if self.condition is None and sum(tests) != 1:
            raise Contradiction("a rule for a column has one of not_null: true, between and accepted_values")
        return self

    @property
    def title(self) -> str:
        """A description of the rule for people."""
        if self.name or self.condition:
            return self.name or str(self.condition)
        if self.not_null:
            return f"{self.column} is not null"
        if self.between is not None:
            low, high = ("" if end is None else str(end) for end in self.between)
            return f"{self.column} in {low}..{high}"
        return f"{self.column} is an accepted value"


def _one_name_each(rules: tuple[ValueRule, ...]) -> tuple[ValueRule, ...]:
    titles = [rule.title for rule in rules]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice is not None:
        raise ValueError(f"has two rules called {twice!r}: give one of them a `name`")
    return rules


class CheckOptions(BaseModel):
    """What is looked at after the measurement was loaded."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    source_equals_lake: CheckSetting = Field(
        default=CheckSetting(),
        description="The source has as many rows for the window as the lake. One count per window on the source. "
        "Default: on.",
    )
    no_duplicate_points: CheckSetting = Field(
        default=CheckSetting(),
        description="No two rows of the window have the same series and time. Reads these columns. Default: on where "
        "rows are added to those that are there (`write.mode: append` or `upsert`, `on_shrink: merge`).",
    )
    gaps: GapsCheck = Field(
        default=GapsCheck(),
        description="No window is missing between the first and the newest; with `longer_than`, no time without points "
        "either. Default: on.",
    )
    freshness: CheckSetting = Field(
        default=CheckSetting(),
        description="The newest due window is there and its events are recent, as `freshness` says. Default: on where "
        "`freshness` is given.",
    )
    schema_drift: WarningCheck = Field(
        default=WarningCheck(),
        description="The table has every column of the source, with a type that holds its values, and none has left "
        "the source. Default: on.",
    )
    nothing_in_quarantine: WarningCheck = Field(
        default=WarningCheck(),
        description="No row waits in quarantine. Default: on where `on_type_conflict: quarantine`.",
    )
    same_definition: WarningCheck = Field(
        default=WarningCheck(),
        description="Every window was loaded as `fields`, `rename`, `map`, `computed`, `where` and so on make rows "
        "now. Metadata only. Default: on where there are such.",
    )
    small_files: SmallFilesCheck = Field(
        default=SmallFilesCheck(),
        description="No more than `most` small files wait to be compacted, which makes queries slow. Metadata only. "
        "Default: on.",
    )
    proved: WarningCheck = Field(
        default=WarningCheck(),
        description="Every window that closed is proved to be the source's, value by value, as the table tells; "
        "nothing is compared for it. Default: on where `proof` or `offload` is given.",
    )
    outliers: OutliersCheck = Field(
        default=OutliersCheck(),
        description="The window has about as many rows as those before it. Default: off.",
    )
    values: Annotated[tuple[ValueRule, ...], AfterValidator(_one_name_each)] = Field(
        default=(),
        description="Rules for the values of each row of the window. Reads the columns they name.",
        examples=[[{"column": "usage", "between": [0, 100]}, {"condition": "used <= total", "severity": "warn"}]],
    )

    @property
    def has_audit(self) -> bool:
        """Whether a check can stop a window: a blocking one of severity error, or a rule for values."""
        rules = any(rule.severity is Severity.ERROR for rule in self.values)
        return rules or any(
            setting.blocking and setting.enabled is not False and setting.counts_as is Severity.ERROR
            for _, setting in self.settings()
        )

    def settings(self) -> Sequence[tuple[str, CheckSetting]]:
        """The checks by name, without `values`."""
        return self._settings

    @cached_property
    def _settings(self) -> Sequence[tuple[str, CheckSetting]]:
        given = ((name, getattr(self, name)) for name in type(self).model_fields)
        return [(name, setting) for name, setting in given if isinstance(setting, CheckSetting)]


class FreshnessOptions(BaseModel):
    """How late a measurement may be."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    warn: Duration | None = Field(
        default=None, description="How late it may be before it is a warning. Default: no warning."
    )
    fail: Duration = Field(
        description="How late it may be before it is a failure: a window, after its end and `lag`; its newest event, "
        "before its end.",
        examples=["2h"],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.fail < timedelta(minutes=1):
            raise contradiction("is less than a minute, and freshness is looked at once a minute", "fail")
        if self.warn is not None and not timedelta(0) < self.warn < self.fail:
            raise contradiction("must be longer than 0 and shorter than fail", "warn")
        return self
