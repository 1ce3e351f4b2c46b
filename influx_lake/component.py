"""A lake as a component of a `dg` project: `type: influx_lake.InfluxLakeComponent` in a defs.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config import Lake, lake_of, load_lake
from influx_lake.config.problems import Location, Place
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.definitions import build_definitions

if TYPE_CHECKING:
    from dagster_shared.yaml_utils.source_position import SourcePositionTree

_CONFIG = "The lake.yaml, relative to the defs.yaml."


class LakeAttributes(BaseModel):
    """Where the lake is declared: in a lake.yaml, or here, with the sections of one."""

    model_config = ConfigDict(extra="forbid")

    config: str | None = Field(default=None, description=_CONFIG)
    sources: dict[str, Any] | None = None
    catalog: dict[str, Any] | None = None
    defaults: dict[str, Any] | None = None
    measurements: dict[str, Any] | None = None
    automation: str | bool | None = None
    run: dict[str, Any] | None = None
    pools: dict[str, Any] | None = None
    discovery: dict[str, Any] | None = None
    alerts: dict[str, Any] | None = None

    @classmethod
    def model_json_schema(cls, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        """The schema that editors and `dg check yaml` use: that of a lake.yaml, and `config`."""
        from influx_lake.config.json_schema import lake_json_schema

        lake = lake_json_schema()
        sections = {name: lake["properties"][name] for name in cls.model_fields if name != "config"}
        return {
            "$defs": lake["$defs"],
            "type": "object",
            "title": cls.__name__,
            "additionalProperties": False,
            "properties": {"config": {"type": "string", "description": _CONFIG}, **sections},
            "oneOf": [{"required": ["config"]}, {"required": ["sources"]}],
        }


class InfluxLakeComponent(dg.Component):
    """The measurements of a lake as assets.

    ```yaml
    type: influx_lake.InfluxLakeComponent
    attributes:
      config: ../../lake.yaml
    ```

    In place of `config`, the sections of a lake.yaml: `sources`, `catalog`, `defaults`, `measurements`,
    `alerts`.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The attributes of the defs.yaml."""
        return LakeAttributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Read the lake. Contacts nothing; secrets stay closed.

        Raises:
            ConfigurationError: The declaration has mistakes; all of them are in it.
        """
        written = attributes.model_dump(exclude_none=True) if attributes else {}
        values: dict[str, Any] = dict(context.resolution_context.resolve_value(written))
        config = values.pop("config", None)
        if (config is None) == (not values):
            raise ConfigurationError(
                f"{context.path}: the attributes of {cls.__name__} must be `config`, or the sections of a lake.yaml",
                remedy="Write `config: lake.yaml`, or `sources:` and `measurements:`",
            )
        if config is not None:
            return cls(load_lake(context.path / config))
        tree = context.resolution_context.source_position_tree
        inside = tree.children.get("attributes") if tree else None
        path = Path(tree.position.filename) if tree else context.path / "defs.yaml"
        return cls(lake_of(values, path, dict(_places(inside)) if inside else {}))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The lake's assets and resources."""
        return build_definitions(self.lake)


def _places(tree: SourcePositionTree, location: Location = ()) -> Iterator[tuple[Location, Place]]:
    yield location, Place(Path(tree.position.filename), tree.position.start.line)
    for name, child in tree.children.items():
        yield from _places(child, (*location, name))
