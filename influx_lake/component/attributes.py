"""The attributes of the component in a defs.yaml, with the JSON schema for editors and `dg check yaml`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

SECTIONS = (
    "name",
    "storage",
    "sources",
    "catalog",
    "defaults",
    "measurements",
    "automation",
    "run",
    "pools",
    "discovery",
    "alerts",
)
"""The sections of a lake.yaml that a component takes instead of a file."""
_CONFIG = "The lake.yaml, relative to the defs.yaml."


def with_lake_schema(model: type[BaseModel]) -> type[BaseModel]:
    """The component's attribute model, with the options of a lake.yaml in its JSON schema."""

    class LakeAttributes(model):  # type: ignore[valid-type, misc]
        @classmethod
        def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
            from influx_lake.config.lake.json_schema import lake_json_schema

            own, lake = model.model_json_schema(*args, **options), lake_json_schema()
            sections = {name: lake["properties"][name] for name in SECTIONS}
            return {
                "$defs": {**own.get("$defs", {}), **lake["$defs"]},
                "type": "object",
                "title": cls.__name__,
                "additionalProperties": False,
                "properties": {**own["properties"], "config": {"type": "string", "description": _CONFIG}, **sections},
                "oneOf": [{"required": ["config"]}, {"required": ["sources"]}],
            }

    return LakeAttributes
