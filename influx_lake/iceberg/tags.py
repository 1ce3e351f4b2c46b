"""Which columns of a table are tags, kept in the table itself: a column of text may be a tag or a field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table

PROPERTY = "influx-lake.tags"
"""The table property: a JSON list of columns."""


def tags_of(table: Table) -> tuple[str, ...] | None:
    """The tags of a table, also those that the source no longer has; None where no load has told them."""
    stated = table.metadata.properties.get(PROPERTY)
    return None if stated is None else tuple(json.loads(stated))


def telling(table: Table, target: TableTarget) -> dict[str, str]:
    """The property that tells the tags; nothing where the table does already, or nobody knows."""
    if target.tags is None:
        return {}
    known = tags_of(table)
    tags = tuple(dict.fromkeys((*(known or ()), *target.tags)))
    return {} if tags == known else {PROPERTY: json.dumps(tags)}
