"""The columns of a measurement whose fields may have several types: a column for each, none called like another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from influx_lake.config.values.source_schema import TIME, Column, ColumnType, Role

# Of a field's types the first one here is the field's own column, as InfluxQL itself would choose.
_ORDER = (ColumnType.FLOAT, ColumnType.INTEGER, ColumnType.UINTEGER, ColumnType.STRING, ColumnType.BOOLEAN)


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A column, and the tag or field that it is of.

    Attributes:
        column: The column.
        name: What InfluxDB calls the tag or field.
    """

    column: Column
    name: str


def declared_columns(tags: Iterable[str], fields: Iterable[tuple[str, ColumnType]]) -> list[DeclaredColumn]:
    """The columns of tags and fields, tags first, each group by name.

    A field that is called like a tag is `name__field`, and what is called `time` gets its role behind its name too. A
    field's second type is `name__type`.
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
    """The name, or one made of it that no other column has; from now on it is taken."""
    free = name
    while free in taken:
        free = f"{free}__{role}"
    taken.add(free)
    return free
