"""InfluxDB 2 as a source, in Flux."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import pyarrow as pa

from influx_lake.config.connections import InfluxDB2Config
from influx_lake.config.values.conditions import Condition
from influx_lake.config.values.source_schema import TIME, Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window, from_nanoseconds
from influx_lake.errors import MeasurementNotFound
from influx_lake.sources.arrow_types import arrow_schema
from influx_lake.sources.declared_columns import declared_columns
from influx_lake.sources.flux import scripts
from influx_lake.sources.flux.annotated import blocks, tables
from influx_lake.sources.flux.conditions import expression
from influx_lake.sources.flux.points import (
    Columns,
    PointBuilder,
    SeriesKey,
    Values,
    columns_of_points,
    fields_of,
    tag_keys,
    texts_of,
)
from influx_lake.sources.flux.query_splitting import Answers, within_shards
from influx_lake.sources.http import ByteStream, HttpConnection, HttpFailures, Request
from influx_lake.sources.http.documents import bounded
from influx_lake.sources.http.rows import in_time, read_ahead
from influx_lake.sources.influxql.server import InfluxDB2Server
from influx_lake.sources.protocol import ServerInfo
from influx_lake.sources.row_confirmation import Counts, RowConfirmation
from influx_lake.sources.selected_counts import counted_by_reading
from influx_lake.sources.single_use_rows import SingleUseRows

_NAMED_AT_MOST = 200
"""The most fields in a script: planning takes Flux a second for 200, and six for a thousand."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A measurement's columns, with the columns of its tags and fields."""

    schema: MeasurementSchema
    columns: Columns
    tags: dict[str, str]

    def fields(self, schema: MeasurementSchema) -> dict[str, dict[ColumnType, str]]:
        """The columns of a schema for each field, by their types."""
        read: dict[str, dict[ColumnType, str]] = {}
        for (field, kind), column in self.columns.items():
            if column in schema.fields:
                read.setdefault(field, {})[kind] = column
        return read

    def partly(self, schema: MeasurementSchema) -> dict[str, list[ColumnType]]:
        """The types in a schema, for fields of which it does not have all."""
        return {
            field: list(kinds)
            for field, kinds in self.fields(schema).items()
            if len(kinds) < sum(name == field for name, _ in self.columns)
        }

    def condition(self, schema: MeasurementSchema) -> str | None:
        """The condition on a value; None where all are read."""
        parts = list(self._of_fields(schema)) if schema.needs_a_field else []
        if schema.where is not None:
            parts.append(self.in_flux(schema.where))
        return " and ".join(parts) or None

    def _of_fields(self, schema: MeasurementSchema) -> Iterator[str]:
        """The condition on fields; none where planning it would take the server too long."""
        read = self.fields(schema)
        others = {field for field, _ in self.columns} - read.keys()
        if len(read) <= min(len(others), _NAMED_AT_MOST):
            yield scripts.one_of(read)
        elif 0 < len(others) <= _NAMED_AT_MOST:
            yield scripts.none_of(sorted(others))

    def in_flux(self, condition: Condition) -> str:
        """A condition in Flux.

        Raises:
            ValueError: It cannot be expressed exactly.
        """
        found = expression(condition, {column: tag for tag, column in self.tags.items()})
        if found is None:
            raise ValueError(f"the condition cannot be expressed exactly: {condition}")
        return found


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads the parts of a window."""

    http: HttpConnection
    bucket: str
    schema: MeasurementSchema
    known: _Known
    failures: HttpFailures
    request: Callable[[str], Request]

    def ask(self, piece: Window) -> AbstractContextManager[ByteStream]:
        condition = self.known.condition(self.schema)
        script = scripts.points(self.bucket, self.schema.measurement, self.known.tags, piece, condition)
        return self.http.stream(self.request(script), self.failures)

    def decode(self, piece: Window, answer: ByteStream) -> Iterator[pa.RecordBatch]:
        def texts(series: SeriesKey, field: str) -> Values:
            return self._texts(piece, series, field)

        points = PointBuilder(self.schema, self.known.columns, self.known.tags, self.failures, texts)
        yield from points.batches(self._points(answer))
        # A part without points is progress too.
        yield pa.RecordBatch.from_pylist([], arrow_schema(self.schema))

    def _texts(self, piece: Window, series: SeriesKey, field: str) -> Values:
        known = self.known
        script = scripts.texts(self.bucket, known.schema.measurement, known.tags, piece, dict(series), field)
        with self.http.stream(self.request(script), self.failures) as answer:
            return in_time(lambda: texts_of(self._points(answer), series), answer, self.failures)

    def _points(self, answer: ByteStream) -> Iterator[list[pa.Table]]:
        return columns_of_points(blocks(answer, self.failures), self.failures)


class FluxSource:
    """A bucket of an InfluxDB 2 where InfluxQL is off.

    Creating one is cheap and contacts nothing. Threads may share it. It can be closed and used again.

    Args:
        config: The server and its bucket.
    """

    def __init__(self, config: InfluxDB2Config) -> None:
        self._config = config
        self._server = InfluxDB2Server(config)
        self._http = HttpConnection(config, self._server.headers)
        self._known: dict[str, _Known] = {}
        self._shard: list[timedelta | None] = []

    @property
    def identity(self) -> str:
        return self._server.identity

    def __repr__(self) -> str:
        return f"FluxSource({self.identity!r})"

    def server(self) -> ServerInfo:
        self.measurements()
        return self._server.about(self._http)

    def measurements(self) -> list[str]:
        failures = self._server.failures()
        found = self._rows(scripts.measurements(self._config.bucket), failures, ("_value",))
        if not found and self._rows(scripts.ANSWERING, failures, ("_value",)) != [("it answers",)]:
            raise failures.odd("a query that always has a row returned none")
        if not all(isinstance(name, str) and name for (name,) in found):
            raise failures.odd("the response is not a list of measurements")
        return sorted({name for (name,) in found})

    def cardinality(self, measurement: str | None) -> int:
        """The number of series of the bucket, or of a measurement in it, from the server's index."""
        failures = self._server.failures(measurement)
        found = self._rows(scripts.cardinality(self._config.bucket, measurement), failures, ("_value",))
        if len(found) > 1 or not all(type(value) is int for (value,) in found):
            raise failures.odd("the response is not a number of series")
        return int(found[0][0]) if found else 0

    def schema(self, measurement: str) -> MeasurementSchema:
        failures = self._server.failures(measurement)
        tags: set[str] = set()
        fields: set[tuple[str, ColumnType]] = set()
        request = self._request(scripts.samples(self._config.bucket, measurement))
        with (
            self._http.stream(request, failures) as answer,
            read_ahead(columns_of_points(blocks(answer, failures, results=2), failures), answer, failures) as samples,
        ):
            for table in chain.from_iterable(samples):
                tags |= set(tag_keys(table))
                fields |= fields_of(table)
        if not fields:
            raise failures.name(
                MeasurementNotFound(
                    f"{failures.where}: there is no measurement {measurement!r}",
                    remedy="Correct the name, or write a first point to it",
                )
            )
        known = self._known[measurement] = _columns(measurement, tags, fields)
        return known.schema

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[SingleUseRows]:
        failures = self._server.failures(schema.measurement, window)
        known = self._whole(schema, failures)
        reading = _Reading(self._http, self._config.bucket, schema, known, failures, self._request)
        answers = Answers(within_shards(window, self._shard_length()), reading.ask, reading.decode)
        with read_ahead(answers.batches(), answers, failures) as rows:
            yield SingleUseRows(arrow_schema(schema), rows)

    def count(self, measurement: str, window: Window) -> int:
        """The number of points of a window: they are read, since Flux counts values only."""
        with self.read(self.schema(measurement), window) as rows:
            return sum(batch.num_rows for batch in rows)

    def first_time(self, measurement: str) -> datetime | None:
        failures = self._server.failures(measurement)
        script = scripts.first_time(self._config.bucket, measurement)
        found = dict(self._rows(script, failures, ("_field", "_value")))
        if found.pop("answered", None) != 0 or not all(type(time) is int for time in found.values()):
            raise failures.odd("the response is not the time of the first point")
        return from_nanoseconds(found["first"]) if "first" in found else None

    def takes(self, schema: MeasurementSchema, condition: Condition) -> bool:
        known = self._whole(schema, self._server.failures(schema.measurement))
        return expression(condition, {column: tag for tag, column in known.tags.items()}) is not None

    def selected_counts(self, schema: MeasurementSchema, windows: Sequence[Window]) -> list[int]:
        if len(self.fields(schema)) == 1:
            return [self.values(schema, window).total() for window in windows]
        return [counted_by_reading(self, schema, window) for window in windows]

    def row_confirmation(self, schema: MeasurementSchema) -> RowConfirmation:
        """The confirmation counts the values of each field, since Flux counts values."""
        return _ValueConfirmation(self, schema)

    def values(self, schema: MeasurementSchema, window: Window) -> Counter[str]:
        """The server's number of values of each field in a window."""
        failures = self._server.failures(schema.measurement, window)
        known = self._whole(schema, failures)
        condition, kinds = known.condition(schema), known.partly(schema)
        read = known.fields(schema) if schema.needs_a_field else None
        total = Counter[str]()
        for piece in within_shards(window, self._shard_length()):
            script = scripts.counts(self._config.bucket, schema.measurement, piece, condition, kinds)
            found = self._rows(script, failures, ("_field", "_value"))
            if ("", 0) not in found or not all(type(count) is int for _, count in found):
                raise failures.odd("the response is not the counts of values")
            total.update({field: count for field, count in found if field and (read is None or field in read)})
        return total

    def fields(self, schema: MeasurementSchema) -> dict[str, list[str]]:
        """The columns of each field."""
        known = self._whole(schema, self._server.failures(schema.measurement))
        return {field: list(columns.values()) for field, columns in known.fields(schema).items()}

    def _whole(self, schema: MeasurementSchema, failures: HttpFailures) -> _Known:
        """All columns of a measurement; the server is asked once."""
        if schema.measurement not in self._known:
            self.schema(schema.measurement)
        known = self._known[schema.measurement]
        if known.schema != schema.whole:
            raise failures.odd("the measurement's columns changed after the load began")
        return known

    def close(self) -> None:
        self._http.close()

    def _rows(self, script: str, failures: HttpFailures, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """The values of some columns of a small answer."""
        with self._http.stream(self._request(script), failures) as answer:
            found = in_time(lambda: list(tables(bounded(answer, failures), failures)), answer, failures)
        if not all({*columns} <= {*table.column_names} for table in found):
            raise failures.odd(f"the response lacks some of the columns {list(columns)}")
        return [row for table in found for row in zip(*(table[name].to_pylist() for name in columns), strict=True)]

    def _shard_length(self) -> timedelta | None:
        if not self._shard:
            self._shard = [self._server.shard_length(self._http)]
        return self._shard[0]

    def _request(self, script: str) -> Request:
        content = {
            "query": script,
            "type": "flux",
            "dialect": {"header": True, "delimiter": ",", "annotations": ["datatype", "group", "default"]},
        }
        return Request.json(f"/api/v2/query?{Request.query(org=self._config.org)}", content, accept="application/csv")


@dataclass(frozen=True, slots=True)
class _ValueConfirmation:
    """Counts the values of each field."""

    source: FluxSource
    schema: MeasurementSchema

    def arrived(self, batch: pa.RecordBatch) -> Counts:
        return {
            f"values of {field!r}": sum(len(batch) - batch.column(name).null_count for name in names)
            for field, names in self.source.fields(self.schema).items()
        }

    def at_source(self, window: Window) -> Counts:
        counts = self.source.values(self.schema, window)
        return {f"values of {field!r}": counts[field] for field in {*counts, *self.source.fields(self.schema)}}


def _columns(measurement: str, tags: set[str], fields: set[tuple[str, ColumnType]]) -> _Known:
    declared = declared_columns(tags, fields)
    time = Column(TIME, Role.TIME, ColumnType.TIME)
    return _Known(
        MeasurementSchema(measurement, (time, *(each.column for each in declared))),
        {(each.name, each.column.type): each.column.name for each in declared if each.column.role is Role.FIELD},
        {each.name: each.column.name for each in declared if each.column.role is Role.TAG},
    )
