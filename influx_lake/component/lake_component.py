"""The component: a lake.yaml, or its sections, in a defs.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from influx_lake.component.scaffolder import LakeScaffolder
from influx_lake.config import Lake, lake_of, load_lake
from influx_lake.config.report.diagnostics import Location, Place
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.lake_names import safe_name

if TYPE_CHECKING:
    from influx_lake.orchestration.dagster_internals import SourcePositionTree

_CONFIG = "The lake.yaml, relative to the defs.yaml."


class LakeAttributes(BaseModel):
    """Where the lake is declared: in a lake.yaml, or here, with the sections of one."""

    model_config = ConfigDict(extra="forbid")

    config: str | None = Field(default=None, description=_CONFIG)
    name: str | None = None
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
        from influx_lake.config.lake.json_schema import lake_json_schema

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


@dg.scaffold_with(LakeScaffolder)
class InfluxLakeComponent(dg.Component):
    """The measurements of a lake as assets.

    ```yaml
    type: influx_lake.InfluxLakeComponent
    attributes:
      config: ../../lake.yaml
    ```

    In place of `config`, the sections of a lake.yaml: `sources`, `catalog`, `defaults`, `measurements`,
    `alerts`.

    What the lake brings into the project (resources, pools, jobs, sensors) begins with its `name`: the one
    it states, else that of the component's folder, so that a project can hold several lakes.
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
            return cls(_named(load_lake(context.path / config), context))
        tree = context.resolution_context.source_position_tree
        inside = tree.children.get("attributes") if tree else None
        path = Path(tree.position.filename) if tree else context.path / "defs.yaml"
        return cls(_named(lake_of(values, path, dict(_places(inside)) if inside else {}), context))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The lake's assets and resources."""
        return build_definitions(self.lake)


def _places(tree: SourcePositionTree, location: Location = ()) -> Iterator[tuple[Location, Place]]:
    yield location, Place(Path(tree.position.filename), tree.position.start.line)
    for name, child in tree.children.items():
        yield from _places(child, (*location, name))


def _named(lake: Lake, context: dg.ComponentLoadContext) -> Lake:
    """The lake with the name of its component's place below the project's defs, where it states none."""
    if lake.name is not None:
        return lake
    parts = list(context.path.absolute().relative_to(context.defs_module_path.absolute()).parts)
    number = getattr(context.component_loc, "instance_key", None)
    # Several in one defs.yaml are told apart by their numbers.
    name = safe_name("_".join([*parts, *([str(number)] if number else [])]))
    return replace(lake, operation=lake.operation.model_copy(update={"name": name or None}))
