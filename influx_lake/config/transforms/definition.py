"""The definition of a measurement's rows: a digest of all options that change them."""

from __future__ import annotations

import hashlib
import json

from influx_lake.config.tables.shared_tables import LongOptions
from influx_lake.config.tables.types import TypeOptions
from influx_lake.config.transforms.options import TransformOptions

UNCHANGED = "none"
"""The definition of rows that are loaded as they are."""


def definition_of(transforms: TransformOptions, types: TypeOptions, layout: LongOptions | None = None) -> str:
    """A digest of all options that change values, names or rows."""
    if not transforms.transforms and not transforms.casts_otherwise and layout is None:
        return UNCHANGED
    options = transforms.model_dump(mode="json", exclude={"tags"})
    options["tags"] = transforms.tags.model_dump(mode="json", include={"include", "exclude"})
    options |= {"types": types.types, "column_names": str(types.column_names)}
    if layout is not None:
        options["layout"] = layout.model_dump(mode="json")
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:12]
