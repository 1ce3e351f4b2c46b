"""SQL expressions over a row's columns, for computed columns and row filters, evaluated by DuckDB batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from influx_lake.arrow.buffers import aligned
from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.values.sql_expression import column_references
from influx_lake.errors import ConfigurationError, DataRefused, MissingExtra
from influx_lake.iceberg.columns.exact_cast import plain
from influx_lake.iceberg.columns.timestamps import check_years

if TYPE_CHECKING:
    import duckdb

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
}
_LOCKED = "SET GLOBAL TimeZone = 'UTC'; SET GLOBAL lock_configuration = true"
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_TYPES = {
    **dict.fromkeys(_WHOLE, pa.int64()),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    # InfluxDB's times have no zone and are in UTC.
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"), pa.timestamp("us", "UTC")),
    "TIMESTAMP_NS": pa.timestamp("ns", "UTC"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
}
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Expression:
    """A SQL expression.

    Attributes:
        name: The computed column, or the option that holds the expression.
        text: The expression.
    """

    name: str
    text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, as written, each once."""
        return tuple(dict.fromkeys(each.name for each in column_references(self.text)))

    def over(self, names: Callable[[str], str]) -> str:
        """The expression with other names for its columns.

        Args:
            names: Returns the replacement of a name as written.
        """
        text, made, done = self.text.encode(), b"", 0
        for each in column_references(self.text):
            made += text[done : each.start] + names(each.name).encode()
            done = each.end
        return (made + text[done:]).decode()


@dataclass(frozen=True)
class Computation:
    """Expressions over the columns of batches of one schema.

    Attributes:
        expressions: The expressions; one may use those before it.
        incoming: The schema of the batches.
        measurement: The measurement, for messages.
        types: The Arrow types of the results.
    """

    expressions: Sequence[Expression]
    incoming: pa.Schema
    measurement: str
    types: tuple[pa.DataType, ...] = field(init=False)
    _inputs: dict[str, str] = field(init=False, repr=False)
    _selected: tuple[str, ...] = field(init=False, repr=False)
    _connection: duckdb.DuckDBPyConnection = field(init=False, repr=False)

    def __post_init__(self) -> None:
        inputs: dict[str, str] = {}
        computed: dict[str, str] = {}
        selected = []
        for number, expression in enumerate(self.expressions):
            known = {**dict.fromkeys(self.incoming.names), **computed}

            def place(name: str, known: dict[str, Any] = known, expression: Expression = expression) -> str:
                found = resolved_name(name, list(known), expression, self.measurement)
                return computed.get(found) or inputs.setdefault(found, f"c{len(inputs)}")

            selected.append(f"({expression.over(place)}\n) AS k{number}")
            computed[expression.name] = f"k{number}"
        object.__setattr__(self, "_inputs", inputs)
        object.__setattr__(self, "_selected", tuple(selected))
        object.__setattr__(self, "_connection", connect())
        object.__setattr__(self, "types", self._described())

    def compute(self, batches: Sequence[pa.RecordBatch]) -> list[list[pa.Array]]:
        """Evaluate the expressions; returns the results of each batch, one array for each expression.

        A query takes DuckDB milliseconds, however few the rows, so one query evaluates all batches.

        Raises:
            DataRefused: An expression fails for a row.
        """
        import duckdb

        try:
            found = self._query(self._rows(batches))
        except duckdb.Error:
            for batch in batches:
                self._refuse(batch)
            raise
        columns = [_as_array(column, kind) for column, kind in zip(found.columns, self.types, strict=True)]
        for expression, column in zip(self.expressions, columns, strict=True):
            check_years(expression.name, column)
        ends = list(accumulate(map(len, batches)))
        return [
            [column.slice(end - len(batch), len(batch)) for column in columns]
            for batch, end in zip(batches, ends, strict=True)
        ]

    def _rows(self, batches: Sequence[pa.RecordBatch]) -> pa.Table:
        """The columns that are used; where none is, a column of nulls with the number of rows."""
        if not self._inputs:
            return pa.table({"c0": pa.nulls(sum(map(len, batches)), pa.bool_())})
        columns = [pa.chunked_array([aligned(batch.column(name)) for batch in batches]) for name in self._inputs]
        return pa.table(columns, names=list(self._inputs.values()))

    def _query(self, rows: pa.Table, only: int | None = None) -> pa.Table:
        wanted = self._selected if only is None else self._selected[: only + 1]
        self._connection.register("incoming", rows.to_reader())
        try:
            query = f"SELECT {', '.join(wanted)} FROM incoming"  # noqa: S608 - each is checked to be one expression
            return self._connection.execute(query).to_arrow_table()
        finally:
            self._connection.unregister("incoming")

    def _described(self) -> tuple[pa.DataType, ...]:
        """The types of the expressions.

        Raises:
            ConfigurationError: DuckDB rejects an expression for these types, or no column holds its result.
        """
        import duckdb

        self._connection.register("incoming", self._rows([_empty(self.incoming)]))
        try:
            return self._types_of(len(self.expressions))
        except duckdb.Error:
            # Find the first expression that DuckDB rejects.
            for number, expression in enumerate(self.expressions, start=1):
                try:
                    self._types_of(number)
                except duckdb.Error as error:
                    raise ConfigurationError(
                        f"{expression.name}: {expression.text!r} cannot be computed over {self._types_in(expression)}: "
                        f"{_reason(error)}",
                        remedy="Correct the expression in lake.yaml",
                        measurement=self.measurement,
                    ) from None
            raise

    def _types_of(self, number: int) -> tuple[pa.DataType, ...]:
        """The types of the first few expressions over the registered columns."""
        query = f"DESCRIBE SELECT {', '.join(self._selected[:number])} FROM incoming"  # noqa: S608 - as in `_query`
        described = self._connection.execute(query).fetchall()
        pairs = zip(self.expressions, described, strict=False)
        return tuple(self._arrow_type(expression, str(each[1])) for expression, each in pairs)

    def _arrow_type(self, expression: Expression, kind: str) -> pa.DataType:
        if kind.startswith("DECIMAL("):
            precision, _, scale = kind.removeprefix("DECIMAL(").removesuffix(")").partition(",")
            return pa.decimal128(int(precision), int(scale))
        if kind.startswith("ENUM"):
            return pa.string()
        if kind not in _TYPES:
            raise ConfigurationError(
                f"{expression.name}: {expression.text!r} is {kind}, which no column of a table can hold",
                remedy=f"Cast it, for instance ({expression.text})::VARCHAR",
                measurement=self.measurement,
            )
        return _TYPES[kind]

    def _types_in(self, expression: Expression) -> str:
        types = [
            f"{name} ({plain(self.incoming.field(name).type)})" for name in expression.columns if name in self._inputs
        ]
        return ", ".join(types) or "no column of the rows"

    def _refuse(self, batch: pa.RecordBatch) -> None:
        """Find the first expression and the first row of a batch that fail.

        Raises:
            DataRefused: Names both.
        """
        rows = self._rows([batch])
        for number, expression in enumerate(self.expressions):
            if (failure := self._failure(rows, number)) is None:
                continue
            begin, end = 0, len(rows)
            while end - begin > 1:
                middle = (begin + end) // 2
                if (found := self._failure(rows.slice(begin, middle - begin), number)) is None:
                    begin = middle
                else:
                    end, failure = middle, found
            values = {name: _shown(batch.column(name)[begin].as_py()) for name in self._used_by(expression)}
            shown = ", ".join(f"{name} = {value}" for name, value in values.items())
            raise DataRefused(
                f"{expression.name}: {expression.text!r} fails for a row with {shown}: {_reason(failure)}",
                remedy="Correct the expression in lake.yaml so that it has a value for every row, with try_cast or "
                "case when, or leave such rows out with `where`",
                measurement=self.measurement,
            )

    def _failure(self, rows: pa.Table, number: int) -> duckdb.Error | None:
        import duckdb

        try:
            self._query(rows, number)
        except duckdb.Error as error:
            return error
        return None

    def _used_by(self, expression: Expression) -> list[str]:
        lower = {name.lower(): name for name in self.incoming.names}
        found = [name if name in self.incoming.names else lower.get(name.lower()) for name in expression.columns]
        return [name for name in found if name is not None]


@dataclass(frozen=True)
class Compute:
    """A step that adds computed columns.

    Attributes:
        computation: The expressions.
        fields: The columns; they get the types of the results.
    """

    computation: Computation
    fields: Sequence[pa.Field]
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        made = [each.with_type(kind) for each, kind in zip(self.fields, self.computation.types, strict=True)]
        object.__setattr__(self, "schema", pa.schema([*self.computation.incoming, *made]))

    def apply(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Apply the step."""
        computed = self.computation.compute(batches)
        return [
            pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=self.schema)
            for batch, columns in zip(batches, computed, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Filter:
    """A step that keeps the rows for which a condition is true, and rows for the quarantine.

    Attributes:
        computation: The condition.
        misfits: The columns with the strings of values that could not be cast.
    """

    computation: Computation
    misfits: Sequence[str] = ()

    @property
    def schema(self) -> pa.Schema:
        """The schema, which does not change."""
        return self.computation.incoming

    def apply(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Apply the step."""
        computed = self.computation.compute(batches)
        return [self._kept(batch, wanted) for batch, [wanted] in zip(batches, computed, strict=True)]

    def _kept(self, batch: pa.RecordBatch, wanted: pa.Array) -> pa.RecordBatch:
        import pyarrow.compute as pc

        wanted = pc.fill_null(wanted, False)
        for name in self.misfits:
            wanted = pc.or_(wanted, pc.is_valid(batch.column(name)))
        return batch if pc.all(wanted).as_py() else batch.filter(wanted)


def resolved_name(name: str, known: Sequence[str], expression: Expression, measurement: str) -> str:
    """The column that a name refers to: an exact match, else a match that ignores case, as in SQL.

    Raises:
        ConfigurationError: No column matches, or several do.
    """
    if name in known:
        return name
    alike = [each for each in known if each.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    guess = suggestion(name, known) or f"; there are {', '.join(known)}"
    what = f"there are {' and '.join(alike)}, which differ in case only" if alike else f"no column has this name{guess}"
    raise ConfigurationError(
        f"{expression.name}: {expression.text!r} names {name}, and {what}",
        remedy="Name columns as the table has them, in double quotes where case matters",
        measurement=measurement,
    )


def _as_array(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return whole.cast(kind)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, each.type) for each in schema], schema=schema)


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB connection for one thread, without files, network, extensions or changeable settings.

    Raises:
        MissingExtra: DuckDB is not installed.
    """
    try:
        return _database().cursor()
    except ModuleNotFoundError as error:
        raise MissingExtra("`computed`, `where` and formats of times", "duckdb") from error


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """An empty database for the process; each user gets its own cursor, since threads cannot share one."""
    import duckdb

    database = duckdb.connect(":memory:", config=_SETTINGS)
    database.execute(_LOCKED)
    return database


def _reason(error: Exception) -> str:
    return "DuckDB: " + str(error).partition("\n")[0][:300]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
