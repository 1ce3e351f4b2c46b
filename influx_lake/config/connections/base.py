"""The base model of all source types, and their secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ConfigDict

from influx_lake.config.references.secret import Secret
from influx_lake.config.report.diagnostics import Location
from influx_lake.config.values.units import format_duration

CloseSecret = Callable[[str, Location], Secret]
"""Makes a `Secret` of a text and its path in the source's options."""


class SourceConfig(BaseModel):
    """One source of rows, of any type. Each type is a model of its own, known to `SOURCE_TYPES`."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    if TYPE_CHECKING:
        # For the type checker only: pydantic takes an attribute of a base class for a field's default.
        @property
        def type(self) -> str:
            """The word for this type of source in lake.yaml."""
            ...

        @property
        def database(self) -> str:
            """What the measurements are of: namespaces, asset keys and descriptions are made of it."""
            ...

    @property
    def label(self) -> str:
        """A description for people."""
        return f"the InfluxDB database `{self.database}`"

    @classmethod
    def secret_options(cls) -> frozenset[str]:
        """The options that are secrets."""
        return frozenset(
            name
            for name, field in cls.model_fields.items()
            if field.annotation is Secret or Secret in get_args(field.annotation)
        )

    @classmethod
    def with_secrets(cls, entry: Mapping[str, Any], close: CloseSecret) -> dict[str, Any]:
        """Replace the secrets in an entry of lake.yaml by `Secret`s, before validation."""
        closed = dict(entry)
        for name in cls.secret_options() & entry.keys():
            if isinstance(entry[name], str) and entry[name]:
                closed[name] = close(entry[name], (name,))
        return closed

    def options(self) -> dict[str, Any]:
        """The options as in lake.yaml, with references for secrets.

        Raises:
            ConfigurationError: A secret was given as a value outside of a lake.yaml.
        """
        return {"type": self.type, **written(self.model_dump(exclude_defaults=True))}


def written(value: Any) -> Any:
    """An option's value as in lake.yaml.

    Raises:
        ConfigurationError: It is a secret that was given as a value outside of a lake.yaml.
    """
    if isinstance(value, dict):
        return {key: written(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    if isinstance(value, Secret):
        return value.reference
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value
