"""Tracks how processors change the columns of one measurement, and expresses that as options of lake.yaml.

Processors change a point one after the other, while the options are applied in a fixed order (names, map, types,
constants, computed). So each column is tracked from the source through all processors, and the options express its
final state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from influx_lake.cli.telegraf.filters import matches
from influx_lake.cli.telegraf.remarks import NotCarriedOver
from influx_lake.cli.telegraf.sql import identifier, literal
from influx_lake.config.values.patterns import is_pattern
from influx_lake.sql_quoting import text_literal

_SQL_TYPES = {"long": "BIGINT", "double": "DOUBLE", "string": "VARCHAR"}


@dataclass(eq=False, slots=True)
class Column:
    """A column of the points.

    Attributes:
        source: Its name in the source; None where it is computed.
        kind: `tag` or `field`.
        type: Its entry in `types`.
        values: Its entry in `map`.
        constant: Its constant value, if any.
        parts: Its SQL expression: strings, and the columns that it refers to.
        read: Whether other columns are computed from it.
        sure: Whether the measurement certainly has it.
    """

    source: str | None = None
    kind: str = "field"
    type: str | None = None
    values: dict[str, str | None] | None = None
    constant: str | None = None
    parts: Sql = ()
    read: bool = False
    sure: bool = True

    @property
    def takes_map(self) -> bool:
        """Whether `map`, which applies to source values before `types`, can express a replacement of its values."""
        return self.source is not None and self.values is None and self.type in (None, "string") and not self.read


Sql: TypeAlias = tuple[str | Column, ...]


@dataclass(slots=True)
class Choice:
    """The selection of fields or tags.

    Attributes:
        include: The patterns to keep; None: all.
        exclude: The patterns to leave out.
    """

    include: list[str] | None = None
    exclude: list[str] = field(default_factory=list)

    def keeps(self, name: str) -> bool:
        """Whether a name is kept."""
        return (self.include is None or matches(name, self.include)) and not matches(name, self.exclude)


class Shape:
    """The columns of a measurement as processors change them.

    Args:
        name: The measurement's name in the source, or a pattern.
        sure: Columns that it certainly has.
        closed: Whether it has no others.

    Attributes:
        trusting: Whether columns that computed ones refer to are assumed to exist. An expression over a missing column
            is an error, while names and types for one are harmless.
    """

    def __init__(self, name: str, sure: frozenset[str] = frozenset(), *, closed: bool = False) -> None:
        self.trusting = False
        self._sure = sure
        self._closed = closed
        self.name = name
        self.is_pattern = is_pattern(name)
        self.dropped = False
        self.casts: set[str] = set()
        self.lacking: set[str] = set()
        self._key = name
        self._of_source: list[Column] = []
        self._columns: dict[str, Column] = {}
        self._absent: set[str] = set()
        self._choices = {"field": Choice(), "tag": Choice()}
        self._conditions: list[Sql] = []

    # What processors do.

    def rename_measurement(self, name: str) -> None:
        """Rename the measurement.

        Raises:
            NotCarriedOver: It is a pattern: no table can be named for each of its matches.
        """
        if self.is_pattern:
            raise NotCarriedOver(f"the tables of all that {self.name} stands for cannot be named by a rule")
        self.name = name

    def column(self, name: str, kind: str) -> Column | None:
        """A column as it is now; None where no column has this name any more."""
        can_be = name in self._sure or not self._closed
        if not can_be and name not in self._columns and name not in self._absent:
            self.lacking.add(name)
        if name not in self._columns and name not in self._absent and can_be and self._choices[kind].keeps(name):
            self._columns[name] = Column(source=name, kind=kind, sure=name in self._sure)
            self._of_source.append(self._columns[name])
        return self._columns.get(name)

    @property
    def has_unsure_expression(self) -> bool:
        """Whether a computed column refers to one that may not exist."""
        parts = [*self._conditions, *(column.parts for column in self._columns.values())]
        return any(not column.sure for each in parts for column in _sources_of(each))

    def knows(self, name: str) -> bool:
        """Whether a column was mentioned before."""
        return name in self._columns

    def rename(self, name: str, to: str, kind: str) -> None:
        """Rename a column.

        Raises:
            NotCarriedOver: Another column has that name.
        """
        if name == to:
            return
        column = self.column(name, kind)
        if column is None:
            return
        if (other := self._columns.get(to)) is not None and other.source is not None:
            raise NotCarriedOver(f"a column {to} is there already, and both are of the source")
        self._leave(name)
        self._put(to, column)

    def cast(self, name: str, to: str, kind: str) -> None:
        """Cast a column."""
        column = self.column(name, kind)
        if column is None:
            return
        self.casts.add(kind)
        if column.source is not None and column.type is None and not column.read:
            column.type = to
        else:
            self.compute(name, ("TRY_CAST(", column, f" AS {_SQL_TYPES.get(to, to)})"), kind)

    def map(self, name: str, values: dict[str, str | None], kind: str) -> None:
        """Replace values of a column.

        Raises:
            NotCarriedOver: It is not a column of the source, or was mapped before.
        """
        column = self.column(name, kind)
        if column is None:
            return
        if not column.takes_map:
            raise NotCarriedOver(f"{name} is made of other columns: write it into its expression under `computed`")
        column.values = values

    def compute(self, name: str, parts: Sql, kind: str) -> None:
        """Compute a column from others, or from itself.

        Raises:
            NotCarriedOver: It is unknown whether the measurement has all of these.
        """
        self._check_sure(parts, name)
        for part in parts:
            if isinstance(part, Column):
                part.read = True
        self._put(name, Column(parts=parts, kind=kind))

    def constant(self, name: str, value: str, kind: str) -> None:
        """Set a column to a constant string."""
        self._put(name, Column(constant=value, kind=kind))

    def drop(self, name: str, kind: str) -> None:
        """Drop a column."""
        if self.column(name, kind) is not None:
            self._leave(name)

    def keep_where(self, condition: Sql) -> None:
        """Drop rows for which a condition is not true.

        Raises:
            NotCarriedOver: See `compute`.
        """
        self._check_sure(condition)
        for part in condition:
            if isinstance(part, Column):
                part.read = True
        self._conditions.append(condition)

    def choose(self, kind: str, include: list[str] | None, exclude: list[str]) -> None:
        """Drop fields or tags that match no pattern.

        Raises:
            NotCarriedOver: A different selection was made before.
        """
        choice = self._choices[kind]
        if include is not None and choice.include is not None:
            both = [name for name in include if matches(name, choice.include)]
            if len(both) < len(include) and any(map(is_pattern, (*include, *choice.include))):
                raise NotCarriedOver(f"what is kept of the {kind}s was chosen before, by other patterns")
            include = both
        known = set(self._columns)
        for name, column in list(self._columns.items()):
            is_chosen = include is None or matches(name, include)
            if column.kind == kind and (not is_chosen or matches(name, exclude)):
                self._leave(name)
        choice.exclude += [name for name in exclude if name not in known]
        if include is not None:
            choice.include = [name for name in include if name not in known]

    # What is written.

    def options(self) -> dict[str, Any]:
        """The equivalent options of lake.yaml."""
        if self.dropped:
            return {"enabled": False}
        names = self._names()
        own = [column for column in names if column.source is not None]
        made: dict[str, Any] = {
            "table": self.name if self.name != self._key else None,
            "fields": self._chosen("field", own),
            "tags": self._chosen("tag", own),
            "rename": {c.source: names[c] for c in own if names[c] != c.source},
            "types": {c.source: c.type for c in own if c.type is not None},
            "map": {names[c]: c.values for c in own if c.values is not None},
            "constants": {name: c.constant for c, name in names.items() if c.constant is not None},
            "computed": {names[c]: _text(c.parts, names) for c in _in_order(names)},
        }
        if made["tags"]:
            made["duplicates"] = "keep"
        if self.casts == {"tag"}:
            made["on_cast_error"] = "null"
        if self._conditions:
            written = [_text(condition, names) for condition in self._conditions]
            made["where"] = written[0] if len(written) == 1 else " AND ".join(f"({text})" for text in written)
        return {name: value for name, value in made.items() if value}

    def kept_besides(self) -> list[str]:
        """The columns that are in the table only because computed ones refer to them."""
        current = set(self._columns.values())
        return [] if self.dropped else [name for column, name in self._names().items() if column not in current]

    def _check_sure(self, parts: Sql, made: str | None = None) -> None:
        """Check that the columns of an expression exist."""
        unsure = {str(column.source): None for column in _sources_of(parts) if not column.sure}
        if not unsure or self.trusting:
            return
        kept = {made: f"{made}_source"} if made in unsure else {}
        names = self._names() | {c: kept.get(str(c.source), str(c.source)) for c in _sources_of(parts)}
        text = text_literal(_text(parts, names))
        renamed = f"rename: {{{made}: {made}_source}}, " if kept else ""
        option = f"where: {text}" if made is None else f"{renamed}computed: {{{made}: {text}}}"
        raise NotCarriedOver(
            f"which measurements have {', '.join(unsure)} is not known: write it for those that do, {option}"
        )

    def _leave(self, name: str) -> None:
        del self._columns[name]
        self._absent.add(name)

    def _put(self, name: str, column: Column) -> None:
        self._columns[name] = column
        self._absent.discard(name)

    def _names(self) -> dict[Column, str]:
        """The names of the table's columns, and of the source columns that they are computed from."""
        names = {column: name for name, column in self._columns.items()}
        needed = [column for parts in self._conditions for column in _sources_of(parts)]
        needed += [source for column in self._columns.values() for source in _sources_of(column.parts)]
        for column in dict.fromkeys(needed):
            if column not in names:
                assert column.source is not None
                taken = set(names.values())
                names[column] = column.source if column.source not in taken else f"{column.source}_source"
        return names

    def _chosen(self, kind: str, own: list[Column]) -> dict[str, list[str]]:
        """The fields or tags to read."""
        choice = self._choices[kind]
        read = [str(column.source) for column in own if column.kind == kind]
        left = [str(column.source) for column in self._of_source if column.kind == kind and column not in own]
        # A pattern must not exclude columns that the table needs.
        exclude = [name for name in choice.exclude if not any(matches(column, [name]) for column in read)]
        exclude = list(dict.fromkeys([*exclude, *left]))
        chosen: dict[str, list[str]] = {}
        if choice.include is not None:
            missing = (name for name in read if not matches(name, choice.include))
            chosen["include"] = list(dict.fromkeys([*choice.include, *missing]))
            exclude = [name for name in exclude if is_pattern(name) or matches(name, chosen["include"])]
        return chosen | ({"exclude": exclude} if exclude else {})


def _sources_of(parts: Sql) -> Iterator[Column]:
    """The source columns of an expression."""
    for part in parts:
        if isinstance(part, Column):
            if part.source is not None:
                yield part
            yield from _sources_of(part.parts)


def _in_order(names: dict[Column, str]) -> list[Column]:
    """The computed columns in order of dependency."""
    ordered: dict[Column, None] = {}

    def add(column: Column) -> None:
        for part in column.parts:
            if isinstance(part, Column):
                add(part)
        if column.parts and column in names:
            ordered[column] = None

    for column in names:
        add(column)
    return list(ordered)


def _text(parts: Sql, names: dict[Column, str]) -> str:
    """An expression over the table's columns; other columns are substituted by their expressions."""
    written = ""
    for part in parts:
        if isinstance(part, str):
            written += part
        elif part in names:
            written += identifier(names[part])
        else:
            written += literal(part.constant) if part.constant is not None else f"({_text(part.parts, names)})"
    return written
