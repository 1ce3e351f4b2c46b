"""The options `fields` and `tags`: which columns are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.patterns import NamePattern, pattern_mistake
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.validated_names import TagKey, TagValue, Text


def _check_pattern(text: str) -> str:
    if text == TIME:
        raise ValueError(f"is the time itself, which every row has: leave `{TIME}` out")
    if mistake := pattern_mistake(text):
        raise ValueError(mistake)
    return text


Patterns = Annotated[tuple[Annotated[Text, AfterValidator(_check_pattern)], ...], Distinct()]


class ChoiceOptions(BaseModel):
    """Which columns are read: names as in InfluxDB, or patterns (`*`, `?`, `[a-z]`, `/regular expression/`)."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    include: Patterns | None = Field(
        default=None, description="Only these. Default: all.", examples=[["usage_idle", "usage_*"]]
    )
    exclude: Patterns = Field(default=(), description="All but these, also of those that `include` names.")

    @property
    def chooses(self) -> bool:
        """Whether any selection is set."""
        return self.include is not None or bool(self.exclude)

    def chosen(self, names: Sequence[str]) -> list[str]:
        """The selected names, in order."""
        included = [name for name in names if self.include is None or _matches(name, self.include)]
        return [name for name in included if not _matches(name, self.exclude)]


def _some_field(include: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if include == ():
        raise ValueError("names no field, and a row has one: name some, or leave `include` out")
    return include


class FieldOptions(ChoiceOptions):
    """Which fields are read: names as in InfluxDB, or patterns (`*`, `?`, `[a-z]`, `/regular expression/`)."""

    include: Annotated[Patterns | None, AfterValidator(_some_field)] = Field(
        default=None, description="Only these. Default: all.", examples=[["usage_idle", "usage_*"]]
    )


class TagOptions(ChoiceOptions):
    """Which tags are read; beside that, labels to find the measurement by in Dagster: `tier: gold`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[TagKey, TagValue] = Field(init=False)

    @property
    def labels(self) -> dict[str, str]:
        """The labels."""
        return dict(self.__pydantic_extra__ or {})

    @model_validator(mode="before")
    @classmethod
    def _check_lists(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name in ("include", "exclude"):
                if isinstance(value.get(name), str):
                    raise ValueError(  # noqa: TRY004 - pydantic takes ValueErrors
                        f"`{name}` is a list of tags, such as [host]: a label cannot have this name"
                    )
        return value


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(NamePattern(pattern).matches(name) for pattern in patterns)
