"""The check `values`: rules for the values of rows (ranges, nulls, allowed values, SQL conditions)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.checks.conditions import failing_conditions
from influx_lake.checks.outcome import SHOWN, Figure, Outcome, listed
from influx_lake.checks.rule_tally import RuleTally
from influx_lake.checks.subject import Subject
from influx_lake.config import Severity, ValueRule
from influx_lake.config.values.units import counted
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.scan.reader import arrow_schema, read_windows

_LONGS = Decimal(-(2**63)), Decimal(2**63 - 1)

Failing = Callable[[pa.RecordBatch], pa.Array]
"""The mask of the rows of a batch that break a rule; never null."""


def values(subject: Subject) -> Outcome:
    """Count the rows that break each rule, in one pass.

    Raises:
        ConfigurationError: A rule does not fit the columns.
        MissingExtra: A rule is a SQL condition, and DuckDB is not installed.
    """
    rules = subject.measurement.checks.values
    tallies = [RuleTally(rule) for rule in rules]
    rows = sum(len(batch) for batch in _judged_batches(subject, tallies)) if subject.table else 0
    broken = [tally for tally in tallies if tally.rows]
    figures: dict[str, Figure] = {"rows": rows, "rules": len(rules), "broken_rules": len(broken)}
    figures |= {f"failing: {tally.rule.title}": tally.rows for tally in tallies}
    if not broken:
        return Outcome(True, f"{counted(rows, 'row')} keep {counted(len(rules), 'rule')}", figures)
    examples = [example for tally in broken for example in tally.examples]
    figures["examples"] = pa.Table.from_pylist(_as_texts(examples[: SHOWN * 2]))
    is_error = any(tally.rule.severity is Severity.ERROR for tally in broken)
    message = listed(f"{tally.rule.title} ({tally.rows:,} of {rows:,} rows)" for tally in broken)
    return Outcome(False, f"rows break {message}", figures, Severity.ERROR if is_error else Severity.WARN)


def _judged_batches(subject: Subject, tallies: Sequence[RuleTally]) -> Iterator[pa.RecordBatch]:
    table = subject.table
    assert table is not None
    plain = [tally for tally in tallies if tally.rule.condition is None]
    conditional = [tally for tally in tallies if tally.rule.condition is not None]
    schema = arrow_schema(table.schema())
    failing = [_failing(tally.rule, schema) for tally in plain]
    time = subject.measurement.time_column
    shown = [time, *_series(subject, schema)]
    reader = read_windows(table, subject.windows, time, _columns_read(plain, conditional, shown, schema))
    batches: Iterator[pa.RecordBatch] = iter(reader)
    if conditional:
        reader = pa.RecordBatchReader.from_batches(reader.schema, _counted_batches(batches, plain, failing, shown))
        yield from failing_conditions(reader, conditional, shown)
    else:
        yield from _counted_batches(batches, plain, failing, shown)


def _counted_batches(
    batches: Iterator[pa.RecordBatch], tallies: Sequence[RuleTally], failing: Sequence[Failing], shown: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for tally, breaks in zip(tallies, failing, strict=True):
            tally.add(batch, breaks(batch), [*shown, str(tally.rule.column)])
        yield batch


def _series(subject: Subject, schema: pa.Schema) -> list[str]:
    return [name for name in subject.target.key if name in schema.names]


def _columns_read(
    plain: Sequence[RuleTally], conditional: Sequence[RuleTally], shown: Sequence[str], schema: pa.Schema
) -> list[str]:
    """The columns to read: a SQL condition may name any."""
    if conditional:
        return list(schema.names)
    named = [str(tally.rule.column) for tally in plain if tally.rule.column in schema.names]
    return list(dict.fromkeys([*shown, *named]))


def _failing(rule: ValueRule, schema: pa.Schema) -> Failing:
    column = str(rule.column)
    if column not in schema.names:
        # A column of InfluxDB exists from its first point on: until then every value is null.
        return lambda batch: pa.repeat(pa.scalar(rule.not_null), len(batch))
    kind = schema.field(column).type
    if rule.not_null:
        return lambda batch: pc.is_null(batch.column(column))
    if rule.between is not None:
        low, high = rule.between
        return _outside(column, kind, low, high)
    return _not_among(column, kind, rule.accepted_values or ())


def _outside(column: str, kind: pa.DataType, low: Decimal | None, high: Decimal | None) -> Failing:
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise ConfigurationError(
            f"checks.values: `between` is for numbers, and {column} is a {kind}",
            remedy="Use accepted_values or a condition instead",
        )
    limits = [(pc.less, _limit(low, kind, ROUND_CEILING)), (pc.greater, _limit(high, kind, ROUND_FLOOR))]

    def failing(batch: pa.RecordBatch) -> pa.Array:
        values = batch.column(column)
        broken = pa.repeat(pa.scalar(False), len(batch))
        for beyond, limit in limits:
            if limit is not None:
                broken = pc.or_(broken, pc.fill_null(beyond(values, limit), False))
        # NaN is neither less nor greater than anything, so no range includes it.
        return pc.or_(broken, pc.fill_null(pc.is_nan(values), False)) if pa.types.is_floating(kind) else broken

    return failing


def _limit(end: Decimal | None, kind: pa.DataType, rounding: str) -> pa.Scalar | None:
    """A bound in the type of its column, so that no value has to be converted."""
    if end is None:
        return None
    if pa.types.is_floating(kind):
        return pa.scalar(float(end), kind)
    whole = end.to_integral_value(rounding)
    if pa.types.is_integer(kind):
        return pa.scalar(int(min(max(whole, _LONGS[0]), _LONGS[1])), pa.int64())
    return pa.scalar(end)


def _not_among(column: str, kind: pa.DataType, accepted: Sequence[str]) -> Failing:
    try:
        known = pa.array(accepted, pa.string()).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigurationError(
            f"checks.values: the accepted values of {column} do not have its type, {kind}: {error}",
            remedy="Correct accepted_values",
        ) from None

    def failing(batch: pa.RecordBatch) -> pa.Array:
        values = batch.column(column)
        return pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=known)))

    return failing


def _as_texts(examples: Sequence[dict[str, object]]) -> list[dict[str, str | None]]:
    """Examples as strings, since rows of different rules differ in columns and types."""
    names = dict.fromkeys(name for example in examples for name in example)
    return [{name: _text(example.get(name)) for name in names} for example in examples]


def _text(value: object) -> str | None:
    return None if value is None else str(value)
