"""How the rows of a measurement are made, as one short text that changes with it."""

from __future__ import annotations

import hashlib
import json

from influx_lake.config.tables.shared_tables import LongOptions
from influx_lake.config.tables.types import TypeOptions
from influx_lake.config.transforms.options import TransformOptions

UNCHANGED = "none"
"""The definition of rows that come as the source has them."""


def definition_of(transforms: TransformOptions, types: TypeOptions, layout: LongOptions | None = None) -> str:
    """A digest of all that makes values, names and rows other ones than the source's."""
    if not transforms.transforms and not transforms.casts_otherwise and layout is None:
        return UNCHANGED
    told = transforms.model_dump(mode="json", exclude={"tags"})
    told["tags"] = transforms.tags.model_dump(mode="json", include={"include", "exclude"})
    told |= {"types": types.types, "column_names": str(types.column_names)}
    if layout is not None:
        told["layout"] = layout.model_dump(mode="json")
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
