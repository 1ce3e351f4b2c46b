"""InfluxDB 2 as a source of rows, over Flux."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa

from influx_lake.config.columns import TIME, Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.connections import InfluxDB2Config
from influx_lake.config.windows import Window
from influx_lake.errors import MeasurementNotFound
from influx_lake.sources.arrow_types import arrow_schema
from influx_lake.sources.declared_columns import declared_columns
from influx_lake.sources.flux import scripts
from influx_lake.sources.flux.annotated import blocks, tables
from influx_lake.sources.flux.pieces import Answers, within_shards
from influx_lake.sources.flux.points import (
    Columns,
    PointBuilder,
    SeriesKey,
    Values,
    fields_of,
    tag_keys,
    texts_of,
)
from influx_lake.sources.http import ByteStream, HttpConnection, HttpFailures, Request
from influx_lake.sources.http.rows import HttpRows, read_ahead
from influx_lake.sources.influxql.server import InfluxDB2Server
from influx_lake.sources.protocol import ServerInfo


@dataclass(frozen=True, slots=True)
class _Known:
    """A measurement's columns, and where its tags and fields go."""

    schema: MeasurementSchema
    columns: Columns
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the pieces of a window are read."""

    http: HttpConnection
    bucket: str
    known: _Known
    failures: HttpFailures
    request: Callable[[str], Request]

    def ask(self, piece: Window) -> AbstractContextManager[ByteStream]:
        script = scripts.points(self.bucket, self.known.schema.measurement, self.known.tags, piece)
        return self.http.stream(self.request(script), self.failures)

    def decode(self, piece: Window, answer: ByteStream) -> Iterator[pa.RecordBatch]:
        def texts(series: SeriesKey, field: str) -> Values:
            return self._texts(piece, series, field)

        points = PointBuilder(self.known.schema, self.known.columns, self.known.tags, self.failures, texts)
        return points.batches(blocks(answer, self.failures))

    def _texts(self, piece: Window, series: SeriesKey, field: str) -> Values:
        known = self.known
        script = scripts.texts(self.bucket, known.schema.measurement, known.tags, piece, dict(series), field)
        with self.http.stream(self.request(script), self.failures) as answer:
            return texts_of(blocks(answer, self.failures), series)


class FluxSource:
    """One bucket of an InfluxDB 2 where InfluxQL is off.

    Making one is cheap and contacts nothing. Threads may share it. It can be closed and used again.

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
        with self._http.stream(self._request(scripts.measurements(self._config.bucket)), failures) as answer:
            return sorted({name for table in tables(answer, failures) for name in table["_value"].to_pylist()})

    def schema(self, measurement: str) -> MeasurementSchema:
        failures = self._server.failures(measurement)
        tags: set[str] = set()
        fields: set[tuple[str, ColumnType]] = set()
        with self._http.stream(self._request(scripts.samples(self._config.bucket, measurement)), failures) as answer:
            for table in tables(answer, failures):
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
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[HttpRows]:
        failures = self._server.failures(schema.measurement, window)
        if schema.measurement not in self._known:
            self.schema(schema.measurement)
        known = self._known[schema.measurement]
        if known.schema != schema:
            raise failures.odd("the measurement has other columns than when the load began")
        reading = _Reading(self._http, self._config.bucket, known, failures, self._request)
        answers = Answers(within_shards(window, self._shard_length()), reading.ask, reading.decode)
        with read_ahead(answers.batches(), answers, self._config) as rows:
            yield HttpRows(arrow_schema(schema), rows, failures)

    def count(self, measurement: str, window: Window) -> int:
        """How many points the window has: Flux counts values only, so they are read."""
        with self.read(self.schema(measurement), window) as rows:
            return sum(batch.num_rows for batch in rows)

    def close(self) -> None:
        self._http.close()

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


def _columns(measurement: str, tags: set[str], fields: set[tuple[str, ColumnType]]) -> _Known:
    declared = declared_columns(tags, fields)
    time = Column(TIME, Role.TIME, ColumnType.TIME)
    return _Known(
        MeasurementSchema(measurement, (time, *(each.column for each in declared))),
        {(each.name, each.column.type): each.column.name for each in declared if each.column.role is Role.FIELD},
        {each.name: each.column.name for each in declared if each.column.role is Role.TAG},
    )
