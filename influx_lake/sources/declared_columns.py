"""Names the columns of a measurement whose fields may have several types: a column for each type, all with unique
names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from influx_lake.config.values.source_schema import TIME, Column, ColumnType, Role

# The first of a field's types in this order gets the field's name, as in InfluxQL.
_ORDER = (ColumnType.FLOAT, ColumnType.INTEGER, ColumnType.UINTEGER, ColumnType.STRING, ColumnType.BOOLEAN)


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A column, and the tag or field that it holds.

    Attributes:
        column: The column.
        name: The name of the tag or field in InfluxDB.
    """

    column: Column
    name: str


def declared_columns(tags: Iterable[str], fields: Iterable[tuple[str, ColumnType]]) -> list[DeclaredColumn]:
    """The columns of tags and fields, tags first, each group sorted by name.

    A field with the name of a tag becomes `name__field`, and `time` gets its role as a suffix too. A field's second
    type becomes `name__type`.
    """
    types: dict[str, set[ColumnType]] = {}
    for name, kind in fields:
        types.setdefault(name, set()).add(kind)
    taken = {TIME}
    found = [
        DeclaredColumn(Column(_free(tag, Role.TAG, taken), Role.TAG, ColumnType.STRING), tag)
        for tag in sorted(set(tags))
    ]
    mains = {name: _free(name, Role.FIELD, taken) for name in sorted(types)}
    for name, main in mains.items():
        first, *others = (kind for kind in _ORDER if kind in types[name])
        found.append(DeclaredColumn(Column(main, Role.FIELD, first), name))
        for kind in others:
            variant = _free(f"{main}__{kind}", Role.FIELD, taken)
            found.append(DeclaredColumn(Column(variant, Role.FIELD, kind, variant_of=main), name))
    return sorted(found, key=lambda each: (each.column.role is Role.FIELD, each.column.name))


def _free(name: str, role: Role, taken: set[str]) -> str:
    """The name, or one derived from it that is not taken; it is added to `taken`."""
    free = name
    while free in taken:
        free = f"{free}__{role}"
    taken.add(free)
    return free
