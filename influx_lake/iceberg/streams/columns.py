"""The tags and fields that a stream has had for a table: a few messages never have all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.own_properties import is_copied

if TYPE_CHECKING:
    from pyiceberg.table import Table

PROPERTY = "influx-lake.stream-columns"
"""The table property, by measurement where the table holds several."""


@dataclass(frozen=True, slots=True)
class StreamColumns:
    """Tags and fields, as messages name them.

    Attributes:
        tags: The tags.
        fields: The fields, each with a type that it has had.
    """

    tags: frozenset[str] = frozenset()
    fields: frozenset[tuple[str, ColumnType]] = frozenset()

    def __or__(self, other: StreamColumns) -> StreamColumns:
        return StreamColumns(self.tags | other.tags, self.fields | other.fields)

    def properties(self, table: Table) -> dict[str, str]:
        """The table property that records them; empty where the table has it already."""
        if columns_in(table) == self:
            return {}
        facts = {"tags": sorted(self.tags), "fields": sorted([name, kind.value] for name, kind in self.fields)}
        return {PROPERTY: json.dumps({**_stated(table), _name(table): facts}, separators=(",", ":"), sort_keys=True)}


def columns_in(table: Table | None) -> StreamColumns:
    """The tags and fields that streams have had for a table; of a shared table, for the viewed measurement."""
    found = {} if table is None else _stated(table).get(_name(table))
    try:
        fields = frozenset((str(name), ColumnType(kind)) for name, kind in (found or {}).get("fields", ()))
        return StreamColumns(frozenset((found or {}).get("tags", ())), fields)
    except (TypeError, ValueError, AttributeError):
        return StreamColumns()


def _name(table: Table) -> str:
    share = share_of(table)
    return share.value if share else ""


def _stated(table: Table) -> dict[str, Any]:
    if is_copied(table.metadata):
        return {}
    try:
        found = json.loads(table.metadata.properties.get(PROPERTY, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
