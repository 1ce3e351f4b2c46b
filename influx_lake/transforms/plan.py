"""Plans the transforms of a measurement, once for given columns of its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import pyarrow as pa

from influx_lake.config import Measurement
from influx_lake.config.measurements.erased import wanted_rows
from influx_lake.config.transforms.options import Metadata, OnCastError
from influx_lake.config.values.conditions import Condition
from influx_lake.config.values.source_schema import MISFIT, Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError, SchemaConflict
from influx_lake.iceberg.columns.schema import iceberg_type
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sql_quoting import identifier
from influx_lake.transforms.casts import Cast
from influx_lake.transforms.column_naming import chosen, option_for, table_names
from influx_lake.transforms.columns import arrow_field, kind_changed, renamed
from influx_lake.transforms.expressions import Computation, Compute, Expression, Filter, resolved_name
from influx_lake.transforms.provenance import LoadContext, constant_text, fixed_text, metadata_column, metadata_values
from influx_lake.transforms.pushdown import condition_of
from influx_lake.transforms.steps import AddColumns, Arrange, Conversion, DerivedColumn, Make, Step
from influx_lake.transforms.value_map import ValueMap, check_mappable

WHERE = "where"
ERASED = "erased (influx-lake.erased of the table)"
"""The origin of conditions for erased rows, for messages."""


@dataclass(frozen=True)
class Plan:
    """The transforms of a measurement's rows.

    Attributes:
        measurement: The measurement.
        source_schema: The columns that are read from the source.
        schema: The columns of the table.
        made: The columns that are made of one column of the source each.
        added: The constants and metadata columns.
        computed: The computed columns.
        filters: The row filter, in parts: `where`, and the rows that were not erased.
        condition: The row filter for the source; None where the source cannot apply it.
    """

    measurement: Measurement
    source_schema: MeasurementSchema
    schema: MeasurementSchema
    made: tuple[DerivedColumn, ...]
    added: tuple[Column, ...]
    computed: tuple[Column, ...]
    filters: tuple[Expression, ...]
    condition: Condition | None

    @property
    def plain(self) -> dict[str, str]:
        """The columns whose values do not change: their names in the source, by those in the table."""
        return {each.output.name: each.input for each in self.made if not each.conversions}

    def steps(self, rows: pa.Schema, window: Window, load: LoadContext, *, filtered: bool) -> list[Step]:
        """The steps for the rows of a window.

        Args:
            rows: The rows' schema.
            window: The window.
            load: The load.
            filtered: Whether the source has applied the row filter.
        """
        name, options = self.measurement.name, self.measurement.transforms
        steps: list[Step] = [Arrange(self.made, rows)]
        if self.added:
            steps.append(AddColumns([self._added(column, window, load) for column in self.added], steps[-1].schema))
        filters = () if filtered else self.filters
        early = [each for each in filters if self._is_early(each)]
        steps += [_filter(each, steps[-1].schema, self.measurement) for each in early]
        if self.computed:
            expressions = [Expression(column, options.computed[column]) for column in options.computed]
            fields = [arrow_field(column) for column in self.computed]
            steps.append(Compute(Computation(expressions, steps[-1].schema, name), fields))
            if casts := [column for column in self.computed if column.name in self.measurement.types.types]:
                steps.append(Arrange(self._recast(casts, steps[-1].schema), steps[-1].schema))
        steps += [_filter(each, steps[-1].schema, self.measurement) for each in filters if each not in early]
        return steps

    def fixed(self, window: Window) -> dict[str, str]:
        """The strings of columns that are the same in all rows of a window and at every load, by column."""
        options, types = self.measurement.transforms, self.measurement.types.types
        found = {name: text for name, text in options.constants.items() if name not in types}
        for name, kind in _metadata_names(self.measurement, self.source_schema).items():
            if (text := fixed_text(kind, self.measurement, window)) is not None:
                found[name] = text
        return found

    def _added(self, column: Column, window: Window, load: LoadContext) -> tuple[pa.Field, Make]:
        options = self.measurement.transforms
        if column.name in options.constants:
            kind, make = _constant(column.name, options.constants[column.name], self.measurement)
        else:
            metadata = _metadata_names(self.measurement, self.source_schema)[column.name]
            kind, make = metadata_values(metadata, self.measurement, window, load)
        return arrow_field(column).with_type(kind), make

    def _recast(self, casts: Sequence[Column], rows: pa.Schema) -> list[DerivedColumn]:
        conversions = {column.name: _cast(column.name, column.name, self.measurement) for column in casts}
        return [
            _made(each.name, each, [conversion] if (conversion := conversions.get(each.name)) else []) for each in rows
        ]

    def _is_early(self, filter_: Expression) -> bool:
        """Whether a filter uses no computed column."""
        computed = {column.name.lower() for column in self.computed}
        return not computed & {name.lower() for name in filter_.columns}


def resolve(declared: MeasurementSchema, measurement: Measurement) -> Plan:
    """Plan the transforms of a measurement.

    Args:
        declared: The source's columns.
        measurement: The measurement.

    Raises:
        ConfigurationError: Its options do not fit these columns.
        SchemaConflict: Two columns would have one name, or a type cannot hold the values of a column.
    """
    options = measurement.transforms
    source_columns = chosen(declared, measurement)
    names = table_names(source_columns, measurement)
    table_columns = {*names.values(), *_metadata_names(measurement, declared), *options.constants, *options.computed}
    columns, made = [], []
    for source, column in zip(source_columns, renamed(source_columns, names), strict=True):
        conversions = _conversions(source, column, measurement, table_columns)
        kind = ARROW_TYPES[source.type]
        for conversion in conversions:
            kind = conversion.type_of(kind)
        changed = kind_changed(column, kind, str(iceberg_type(kind))) if conversions else column
        columns.append(changed)
        made.append(_made(source.name, arrow_field(changed), conversions))
    added = [
        *(metadata_column(name, kind) for name, kind in _metadata_names(measurement, declared).items()),
        *(_constant_column(name, measurement) for name in options.constants),
    ]
    arrow = pa.schema([arrow_field(column) for column in (*columns, *added)])
    computed = _computed(arrow, [*columns, *added], measurement)
    schema = MeasurementSchema(declared.measurement, (*columns, *added, *computed))
    _check_names(schema, measurement)
    _check_maps(schema, columns, names, measurement)
    plain = {each.output.name: each.input for each in made if not each.conversions}
    condition, filters = None, _filters(schema, declared, measurement)
    if filters:
        for each in filters:
            _filter(each, pa.schema([arrow_field(column) for column in schema.columns]), measurement)
        where = Expression(WHERE, " AND ".join(f"({each.text})" for each in filters))
        by_name = {column.name: column for column in source_columns}
        as_they_are = {name: by_name[source] for name, source in plain.items()}
        condition = condition_of(where, as_they_are, [column.name for column in schema.columns], measurement.name)
    asked = declared.select([column.name for column in source_columns])
    return Plan(measurement, asked, schema, tuple(made), tuple(added), tuple(computed), filters, condition)


def _filters(
    schema: MeasurementSchema, declared: MeasurementSchema, measurement: Measurement
) -> tuple[Expression, ...]:
    where = measurement.transforms.where
    wanted = (Expression(WHERE, where),) if where else ()
    kept = None if measurement.layout else wanted_rows(None, measurement.erased, measurement.time_column)
    return (*wanted, *([_with_nulls(Expression(ERASED, kept), schema, declared)] if kept else []))


def _with_nulls(erased: Expression, schema: MeasurementSchema, declared: MeasurementSchema) -> Expression:
    """The condition of erased rows, with null for columns that the source no longer has.

    A column that the source has, but the table does not (renamed or left out), stays in the condition, which then fails
    to resolve: its values are unknown.
    """
    existing = {column.name.lower() for each in (schema, declared) for column in each.columns}
    lacking = {name for name in erased.columns if name.lower() not in existing}
    if not lacking:
        return erased
    return Expression(
        erased.name,
        erased.over(lambda name: "NULL" if name in lacking else identifier(name)),
    )


def _conversions(source: Column, column: Column, measurement: Measurement, table_columns: Set[str]) -> list[Conversion]:
    found: list[Conversion] = []
    if source.role is Role.TIME:
        return found
    if column.name in measurement.transforms.map:
        check_mappable(column.name, ARROW_TYPES[source.type])
        found.append(ValueMap(column.name, measurement.transforms.map[column.name]))
    if (cast := _cast(source.name, column.name, measurement, table_columns)) is not None:
        found.append(cast)
    return found


def _cast(source: str, name: str, measurement: Measurement, table_columns: Set[str] = frozenset()) -> Cast | None:
    """The cast in `types` for a column, by its name in the table with the columns `table_columns`, or in the source."""
    options = measurement.transforms
    kind = option_for(source, name, measurement.types.types, table_columns)
    if kind is None:
        return None
    return Cast(name, kind, option_for(source, name, options.formats, table_columns), options.on_cast_error)


def _made(source: str, output: pa.Field, conversions: Sequence[Conversion]) -> DerivedColumn:
    cast = next((each for each in conversions if isinstance(each, Cast)), None)
    is_aside = cast is not None and cast.on_error is OnCastError.QUARANTINE
    return DerivedColumn(source, output, tuple(conversions), cast.reason if cast is not None and is_aside else None)


def _metadata_names(measurement: Measurement, declared: MeasurementSchema) -> dict[str, Metadata]:
    """The metadata columns by their names in the table; `rename` applies where the source has no such column."""
    options = measurement.transforms
    existing = {column.name for column in declared.columns}
    return {
        (name if name in existing else options.rename.get(name, name)): kind
        for name, kind in options.metadata_columns.items()
    }


def _constant_column(name: str, measurement: Measurement) -> Column:
    kind, _ = _constant(name, measurement.transforms.constants[name], measurement)
    column = Column(name, Role.FIELD, ColumnType.STRING, made_of=(), doc="The same in every row")
    return kind_changed(column, kind, str(iceberg_type(kind)))


def _constant(name: str, text: str, measurement: Measurement) -> tuple[pa.DataType, Make]:
    kind, make = constant_text(text)
    if (cast := _cast(name, name, measurement)) is None:
        return kind, make
    made = Cast(name, cast.iceberg_type, cast.format).apply(pa.array([text]))[0]
    return made.type, lambda batch: pa.repeat(made[0], len(batch))


def _computed(rows: pa.Schema, columns: Sequence[Column], measurement: Measurement) -> list[Column]:
    options = measurement.transforms
    if not options.computed:
        return []
    expressions = [Expression(name, text) for name, text in options.computed.items()]
    computation = Computation(expressions, rows, measurement.name)
    known = {column.name.lower(): column.sources for column in columns}
    found = []
    for expression, kind in zip(expressions, computation.types, strict=True):
        sources = tuple(dict.fromkeys(each for name in expression.columns for each in known.get(name.lower(), ())))
        known[expression.name.lower()] = sources
        column = Column(
            expression.name, Role.FIELD, ColumnType.STRING, made_of=sources, doc=f"Computed: {expression.text}"
        )
        made = kind
        if (cast := _cast(expression.name, expression.name, measurement)) is not None:
            made = cast.type_of(kind)
        found.append(kind_changed(column, made, None if pa.types.is_uint64(made) else str(iceberg_type(made))))
    return found


def _filter(filter_: Expression, rows: pa.Schema, measurement: Measurement) -> Filter:
    computation = Computation([filter_], rows, measurement.name)
    if not pa.types.is_boolean(computation.types[0]):
        raise ConfigurationError(
            f"where: {filter_.text!r} is {computation.types[0]}, and not true or false",
            remedy="Write a condition, such as region <> 'test'",
            measurement=measurement.name,
        )
    if filter_.name == ERASED:
        # The condition is null where a value could not be cast, unless other columns decide it.
        return Filter(computation)
    # A value that could not be cast leaves the condition undecided; other columns may still decide it, as in a source.
    undecided = {f"{name} as it came" for name in _columns_used(filter_, rows.names, measurement)}
    return Filter(
        computation,
        [each.name for each in rows if MISFIT.encode() in (each.metadata or {}) and each.name in undecided],
    )


def _columns_used(filter_: Expression, names: Sequence[str], measurement: Measurement) -> set[str]:
    """The columns that a filter uses, also through computed columns."""
    computed = measurement.transforms.computed
    found: set[str] = set()
    waiting = [filter_]
    while waiting:
        expression = waiting.pop()
        used = {resolved_name(name, names, expression, measurement.name) for name in expression.columns} - found
        found |= used
        waiting += [Expression(name, computed[name]) for name in used if name in computed]
    return found


def _check_names(schema: MeasurementSchema, measurement: Measurement) -> None:
    by_name: dict[str, Column] = {}
    for column in schema.columns:
        other = by_name.setdefault(column.name, column)
        if other is not column:
            raise SchemaConflict(
                f"{_origin(other)} and {_origin(column)} would both be {column.name!r} in {measurement.table_name}",
                remedy="Give one of them another name: with `rename` where it comes from the source, else where it is "
                "declared",
                measurement=measurement.name,
            )


def _check_maps(
    schema: MeasurementSchema, columns: Sequence[Column], names: Mapping[str, str], measurement: Measurement
) -> None:
    """Check that `map` names columns of the source by their names in the table; unknown ones may appear later."""
    existing = {column.name for column in schema.columns}
    former = next((name for name in measurement.transforms.map if name in names and name not in existing), None)
    if former is not None:
        raise ConfigurationError(
            f"`map` names {former}, which is called {names[former]} in {measurement.table_name}",
            remedy=f"Write {names[former]}: options use the names of the table",
            measurement=measurement.name,
        )
    made = existing - {column.name for column in columns}
    wrong = next((name for name in measurement.transforms.map if name in made or name == schema.time), None)
    if wrong is not None:
        raise ConfigurationError(
            f"`map` names {wrong}, which is not a tag or a field of the source",
            remedy="Map the source's column, or compute it with case when",
            measurement=measurement.name,
        )


def _origin(column: Column) -> str:
    if column.doc is not None and not column.sources:
        return f"the column {column.name!r} ({column.doc[0].lower()}{column.doc[1:]})"
    return f"the source's {', '.join(map(repr, column.sources))}"
