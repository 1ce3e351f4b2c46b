"""Evaluates SQL conditions over rows in a sandboxed DuckDB connection: no files, network or extensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    import duckdb

    from influx_lake.checks.rule_tally import RuleTally

_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "memory_limit": "512MB",
    "threads": 2,
}
"""No files, no network, no extensions, no Python variables."""
_BATCH_ROWS = 65_536


def failing_conditions(
    rows: pa.RecordBatchReader, tallies: Sequence[RuleTally], shown: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Count the rows for which a condition is false; null counts as true, as in SQL's CHECK constraints.

    Args:
        rows: The rows.
        tallies: The conditions, with the counters of their rows.
        shown: The columns of examples.

    Yields:
        Each batch of rows, once it is counted.

    Raises:
        ConfigurationError: A condition does not fit the columns.
        MissingExtra: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("a SQL condition in checks.values", "duckdb") from error
    with duckdb.connect(":memory:", config=_CLOSED) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET lock_configuration = true")
        for tally in tallies:
            _check(connection, rows.schema, str(tally.rule.condition))
        judged = [
            duckdb.SQLExpression(f"coalesce(NOT CAST(({tally.rule.condition}\n) AS BOOLEAN), false)").alias(_name(each))
            for each, tally in enumerate(tallies)
        ]
        try:
            relation = connection.from_arrow(rows).select(duckdb.StarExpression(), *judged)
            for batch in relation.to_arrow_reader(_BATCH_ROWS):
                for number, tally in enumerate(tallies):
                    tally.add(batch, batch.column(_name(number)), shown)
                yield batch
        except duckdb.Error as error:
            raise _refused(str(error)) from None


def _check(connection: duckdb.DuckDBPyConnection, schema: pa.Schema, condition: str) -> None:
    """Bind a condition to the columns before any row is read, and check that it gives one boolean for each row.

    Raises:
        ConfigurationError: It does not fit the columns, is no boolean, or aggregates or unnests rows.
    """
    import duckdb

    nothing = pa.table([pa.nulls(1, field.type) for field in schema], names=schema.names)
    try:
        for rows in (schema.empty_table(), nothing):
            judged = connection.from_arrow(rows).select(duckdb.SQLExpression(f"({condition}\n)"))
            if str(judged.types[0]) not in ("BOOLEAN", '"NULL"'):
                raise _refused(f"its type is {judged.types[0]}, and not BOOLEAN", condition)
            if len(judged.fetchall()) != len(rows):
                raise _refused("it does not give one value for each row", condition)
    except duckdb.Error as error:
        raise _refused(str(error), condition) from None


def _refused(reason: str, condition: str | None = None) -> ConfigurationError:
    which = f"the condition {condition!r}" if condition else "a condition"
    return ConfigurationError(
        f"checks.values: {which} cannot be evaluated: {reason.partition(chr(10))[0]}",
        remedy="Use columns of the table and DuckDB's functions; files and network are not accessible",
    )


def _name(number: int) -> str:
    return f"influx_lake_broken_{number}"
