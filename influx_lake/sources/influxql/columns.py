"""The columns of a measurement, and how each is derived from what InfluxQL selects.

The shards of a measurement may hold a field with several types. InfluxQL reads a field as one type (`"f"::float`):
integers as floats and back, anything else as null. So each type of a field becomes a column of its own, except for
floats and integers, which share a column of floats; an integer that is not equal to any float is in a column of
integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import TIME, Column, ColumnType, MeasurementSchema, Role
from influx_lake.errors import SchemaConflict
from influx_lake.sources.arrow_types import ARROW_TYPES, arrow_schema
from influx_lake.sources.declared_columns import DeclaredColumn, declared_columns
from influx_lake.sources.influxql.statements import CASTS, Selected
from influx_lake.sources.projected_rows import with_a_field

TYPES = {word: kind for kind, word in CASTS.items()}
"""The types of fields, by InfluxQL's names."""

_SIGNED = {ColumnType.FLOAT, ColumnType.INTEGER}
_LARGEST_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Made:
    """A column of the rows, and how it is derived.

    Attributes:
        column: The column.
        of: What has to be selected for it.
        make: Derives it from that.
    """

    column: Column
    of: tuple[Selected, ...]
    make: Callable[..., pa.Array] = lambda values: values


@dataclass(frozen=True)
class Selection:
    """What is selected of a measurement, and the rows derived from it.

    Attributes:
        schema: The rows' columns.
        made: How each column but the time is derived.
    """

    schema: MeasurementSchema
    made: tuple[Made, ...]

    @cached_property
    def selected(self) -> list[Selected]:
        """What to select, in this order."""
        return list(dict.fromkeys(each for made in self.made for each in made.of))

    @property
    def types(self) -> list[pa.DataType]:
        """The types of a response's columns: the time, as an integer, then the selected columns."""
        return [pa.int64(), *(_selected_type(each) for each in self.selected)]

    @property
    def counted(self) -> dict[Selected, tuple[str, ...]]:
        """The selected columns that can be counted, each with the rows' columns that share its values.

        A field with a column of floats and one of integers is counted only if both are selected.
        """
        fields: dict[Selected, tuple[str, ...]] = {}
        for made in self.made:
            if made.column.role is Role.FIELD:
                fields[made.of[0]] = (*fields.get(made.of[0], ()), made.column.name)
        of = {made.of[0]: made.of for made in self.made}
        return {first: names for first, names in fields.items() if len(names) == len(of[first])}

    @property
    def counts_all(self) -> bool:
        """Whether the counts cover the values of all fields."""
        return sum(map(len, self.counted.values())) == len(self.schema.fields)

    def of(self, schema: MeasurementSchema) -> Selection:
        """The selection for a projection of the columns."""
        return Selection(schema, tuple(made for made in self.made if made.column in schema.columns))

    @property
    def own(self) -> dict[str, Selected]:
        """The tags and fields that are derived to exactly one column each."""
        several = {made.column.variant_of for made in self.made}
        return {
            made.column.name: made.of[0]
            for made in self.made
            if made.column.variant_of is None and made.column.name not in several
        }

    def rows(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Derive the rows from a batch of the response."""
        selected = dict(zip(self.selected, batch.columns[1:], strict=True))
        arrays = [made.make(*(selected[each] for each in made.of)) for made in self.made]
        rows = pa.RecordBatch.from_arrays([batch.column(0).cast(pa.timestamp("ns")), *arrays], schema=self.layout)
        return with_a_field(rows, self.schema)

    @cached_property
    def layout(self) -> pa.Schema:
        """The rows' columns, as an Arrow schema."""
        return arrow_schema(self.schema)


def selection(measurement: str, tags: Iterable[str], fields: Iterable[tuple[str, ColumnType]]) -> Selection:
    """Determine the columns of a measurement.

    A field with the name of a tag is called `name__field`; names equal to `time` get their role appended, too.

    Raises:
        SchemaConflict: A field has types that InfluxQL cannot tell apart.
    """
    fields = list(fields)
    types: dict[str, set[ColumnType]] = {}
    for name, kind in fields:
        types.setdefault(name, set()).add(kind)
    for name, kinds in types.items():
        _check_numbers(measurement, name, kinds)
    made = [_made(each, types) for each in declared_columns(tags, fields)]
    time = Column(TIME, Role.TIME, ColumnType.TIME)
    return Selection(MeasurementSchema(measurement, (time, *(each.column for each in made))), tuple(made))


def _check_numbers(measurement: str, name: str, types: set[ColumnType]) -> None:
    if ColumnType.UINTEGER in types and types & _SIGNED:
        raise SchemaConflict(
            f"the field {name!r} is unsigned in some shards and another number in others, which InfluxQL does not tell "
            "apart",
            remedy="Set query_language: flux for this source",
            measurement=measurement,
        )


def _made(declared: DeclaredColumn, types: Mapping[str, set[ColumnType]]) -> Made:
    column, name = declared.column, declared.name
    if column.role is Role.TAG:
        return Made(column, (Selected(name, "tag"),))
    if column.type in _SIGNED <= types[name]:
        both = (Selected(name, CASTS[ColumnType.FLOAT]), Selected(name, CASTS[ColumnType.INTEGER]))
        return Made(column, both, _floats if column.type is ColumnType.FLOAT else _integers_beyond)
    return Made(column, (Selected(name, CASTS[column.type]),))


def _selected_type(selected: Selected) -> pa.DataType:
    return pa.string() if selected.cast == "tag" else ARROW_TYPES[TYPES[selected.cast]]


def _floats(floats: pa.Array, integers: pa.Array) -> pa.Array:
    beyond = _beyond(floats, integers)
    return floats if beyond is None else pc.if_else(beyond, pa.scalar(None, pa.float64()), floats)


def _integers_beyond(floats: pa.Array, integers: pa.Array) -> pa.Array:
    beyond = _beyond(floats, integers)
    nothing = pa.scalar(None, pa.int64())
    return pa.nulls(len(integers), pa.int64()) if beyond is None else pc.if_else(beyond, integers, nothing)


def _beyond(floats: pa.Array, integers: pa.Array) -> pa.Array | None:
    """A mask of the integers that are not equal to any float; None if there are none."""
    bounds = pc.min_max(integers).as_py()
    if bounds["min"] is None or -_LARGEST_EXACT <= bounds["min"] <= bounds["max"] <= _LARGEST_EXACT:
        return None
    # Floats with a fraction or outside the integers' range were truncated when cast to integers.
    same = pc.equal(integers.cast(pa.float64(), safe=False), floats)
    fits = pc.less(pc.abs(floats), 2.0**63)
    back = pc.if_else(fits, floats, 0.0).cast(pa.int64(), safe=False)
    kept = pc.or_(pc.and_(fits, pc.equal(back, integers)), pc.equal(integers, -(2**63)))
    return pc.and_(same, pc.invert(kept)).fill_null(False)
