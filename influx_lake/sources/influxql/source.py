"""InfluxDB 1 and 2 as a source of rows, over InfluxQL."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from influx_lake.config.values.conditions import Condition
from influx_lake.config.values.source_schema import TIME, MeasurementSchema, Role
from influx_lake.config.values.windows import Window, from_nanoseconds
from influx_lake.errors import MeasurementNotFound, SchemaConflict
from influx_lake.sources.http import ByteStream, HttpConnection, HttpFailures, Request
from influx_lake.sources.http.documents import bounded, lines
from influx_lake.sources.http.rows import in_time, read_ahead
from influx_lake.sources.influxql import statements
from influx_lake.sources.influxql.chunks import RowChunks
from influx_lake.sources.influxql.columns import TYPES, Selection, selection
from influx_lake.sources.influxql.conditions import expression
from influx_lake.sources.influxql.results import Series, read_series
from influx_lake.sources.influxql.server import InfluxQLServer
from influx_lake.sources.influxql.statements import Place, Selected
from influx_lake.sources.protocol import ServerInfo
from influx_lake.sources.row_confirmation import Counts, RowConfirmation
from influx_lake.sources.selected_counts import counted_by_reading
from influx_lake.sources.single_use_rows import SingleUseRows

# Wide rows get fewer per chunk, so that a chunk is a few megabytes.
_ROWS_PER_CHUNK = 20_000
_VALUES_PER_CHUNK = 500_000
_FEWEST_ROWS = 100


class InfluxQLSource:
    """One database of an InfluxDB 1, or one bucket of an InfluxDB 2.

    Creating one is cheap and contacts nothing. Threads may share it. It can be closed and used again.

    Args:
        server: The server and its database.
    """

    def __init__(self, server: InfluxQLServer) -> None:
        self._server = server
        self._http = HttpConnection(server.config, server.headers)
        self._known: dict[str, Selection] = {}

    @property
    def identity(self) -> str:
        return self._server.identity

    def __repr__(self) -> str:
        return f"InfluxQLSource({self.identity!r})"

    def server(self) -> ServerInfo:
        failures = self._server.failures()
        self._policies(self._server.place(self._http), failures)
        return self._server.about(self._http)

    def databases(self) -> list[str]:
        """The names of the server's databases."""
        failures = self._server.failures()
        answer = self._ask(statements.DATABASES, failures)
        return sorted(name for series in answer for (name,) in series.texts(1, failures))

    def measurements(self) -> list[str]:
        failures = self._server.failures()
        found = set()
        for prefix, place in self._places(failures):
            found |= {prefix + series.name for series in self._ask(statements.field_keys(place), failures)}
        return sorted(found)

    def schema(self, measurement: str) -> MeasurementSchema:
        return self._selection(measurement).schema

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[SingleUseRows]:
        failures = self._server.failures(schema.measurement, window)
        chosen = self._chosen(schema, failures)
        place, name = self._located(schema.measurement, failures)
        statement = statements.rows(place, name, chosen.selected, window, self._condition(schema, failures))
        size = max(_FEWEST_ROWS, min(_ROWS_PER_CHUNK, _VALUES_PER_CHUNK // len(chosen.types)))
        request = Request.form("/query", q=statement, epoch="ns", chunked="true", chunk_size=str(size))
        with (
            self._http.stream(request, failures) as answer,
            read_ahead(_batches(answer, name, chosen, failures), answer, failures) as batches,
        ):
            yield SingleUseRows(chosen.layout, batches)

    def count(self, measurement: str, window: Window) -> int:
        """How many points the window has. InfluxQL only counts values, so several fields have to be read."""
        failures = self._server.failures(measurement, window)
        chosen = self._selection(measurement)
        place, name = self._located(measurement, failures)
        fields = [each for each in chosen.selected if each.cast != "tag"]
        values = self._counts(statements.counts(place, name, fields, window), len(fields), failures)
        if sum(1 for value in values if value) <= 1:
            return sum(values)
        with self.read(chosen.schema, window) as rows:
            return sum(batch.num_rows for batch in rows)

    def takes(self, schema: MeasurementSchema, condition: Condition) -> bool:
        known = self._whole(schema, self._server.failures(schema.measurement))
        return expression(condition, known.own) is not None

    def selected_counts(self, schema: MeasurementSchema, windows: Sequence[Window]) -> list[int]:
        return [self._selected_count(schema, window) for window in windows]

    def _selected_count(self, schema: MeasurementSchema, window: Window) -> int:
        chosen = self._chosen(schema, self._server.failures(schema.measurement, window))
        if chosen.counts_all:
            values = self.values(schema, window).values()
            if sum(1 for value in values if value) <= 1:
                return sum(values)
        return counted_by_reading(self, schema, window)

    def first_time(self, measurement: str) -> datetime | None:
        failures = self._server.failures(measurement)
        place, name = self._located(measurement, failures)
        times = [row[0] for series in self._ask(statements.first_point(place, name), failures) for row in series.values]
        if len(times) > 1 or not all(type(time) is int for time in times):
            raise failures.odd("the response is not the time of one point")
        return from_nanoseconds(times[0]) if times else None

    def row_confirmation(self, schema: MeasurementSchema) -> RowConfirmation:
        """The confirmation counts values: InfluxQL cannot count points, and counting takes a tenth of the time of
        reading.
        """
        return _ValueConfirmation(self, schema)

    def values(self, schema: MeasurementSchema, window: Window) -> dict[Selected, int]:
        """How many values the server has of each field in a window."""
        failures = self._server.failures(schema.measurement, window)
        fields = list(self._chosen(schema, failures).counted)
        if not fields:
            return {}
        place, name = self._located(schema.measurement, failures)
        statement = statements.counts(place, name, fields, window, self._condition(schema, failures))
        counts = self._counts(statement, len(fields), failures)
        return dict(zip(fields, counts, strict=True))

    def counted(self, schema: MeasurementSchema) -> dict[Selected, tuple[str, ...]]:
        """The columns that hold the values of each field."""
        return self._chosen(schema, self._server.failures(schema.measurement)).counted

    def close(self) -> None:
        self._http.close()

    def _chosen(self, schema: MeasurementSchema, failures: HttpFailures) -> Selection:
        """How the selected columns are derived."""
        return self._whole(schema, failures).of(schema)

    def _condition(self, schema: MeasurementSchema, failures: HttpFailures) -> str | None:
        """The condition for the rows, in InfluxQL."""
        if schema.where is None:
            return None
        said = expression(schema.where, self._whole(schema, failures).own)
        if said is None:
            raise ValueError(f"the condition cannot be expressed exactly: {schema.where}")
        return said

    def _whole(self, schema: MeasurementSchema, failures: HttpFailures) -> Selection:
        """How all columns of a measurement are derived; asks the server unless it is known."""
        declared = schema.whole
        known = self._known.get(schema.measurement)
        if known is None or known.schema != declared:
            known = self._selection(schema.measurement)
        if known.schema != declared:
            raise failures.odd("the measurement's columns have changed since the load began")
        return known

    def _selection(self, measurement: str) -> Selection:
        failures = self._server.failures(measurement)
        place, name = self._located(measurement, failures)
        fields = [
            (key, self._type(key, word, failures))
            for series in self._ask(statements.field_keys(place, name), failures)
            for key, word in series.texts(2, failures)
        ]
        if not fields:
            raise failures.name(
                MeasurementNotFound(
                    f"{failures.where}: there is no measurement {measurement!r}",
                    remedy="Correct the name, or write a first point to it",
                )
            )
        asked = self._ask(statements.tag_keys(place, name), failures)
        tags = [key for series in asked for (key,) in series.texts(1, failures)]
        chosen = self._known[measurement] = selection(measurement, tags, fields)
        return chosen

    def _type(self, field: str, word: str, failures: HttpFailures) -> Any:
        if word not in TYPES:
            raise failures.odd(f"the field {field!r} has the unknown type {word!r}")
        return TYPES[word]

    def located(self, measurement: str) -> tuple[Place, str]:
        """The database and policy of a measurement, and its name there.

        Raises:
            SourceError: The server cannot tell, or several measurements have this name.
        """
        return self._located(measurement, self._server.failures(measurement))

    def policies(self) -> list[str]:
        """The retention policies of the database."""
        return self._policies(self._server.place(self._http), self._server.failures())

    def _places(self, failures: HttpFailures) -> list[tuple[str, Place]]:
        """Where to look for measurements, and the prefix of the names of those found there."""
        place = self._server.place(self._http)
        if not self._server.all_policies:
            return [("", place)]
        policies = self._policies(place, failures)
        return [(f"{policy}.", Place(place.database, policy)) for policy in policies]

    def _located(self, measurement: str, failures: HttpFailures) -> tuple[Place, str]:
        """The database and policy of a measurement, and its name there."""
        found = [
            (place, measurement.removeprefix(prefix))
            for prefix, place in self._places(failures)
            if measurement.startswith(prefix)
        ]
        if not found:
            raise failures.name(
                MeasurementNotFound(
                    f"{failures.where}: no retention policy's name is the first part of {measurement!r}",
                    remedy="With retention_policy: '*' a measurement is called policy.measurement: autogen.cpu",
                )
            )
        # Either name may contain dots: a policy `a.b` and a measurement `c`, or `a` and `b.c`.
        there = [(place, name) for place, name in found if len(found) == 1 or self._is_there(place, name, failures)]
        if len(there) > 1:
            both = " and ".join(f"{name!r} of the retention policy {place.policy!r}" for place, name in there)
            raise SchemaConflict(
                f"{failures.where}: {measurement!r} is the name of several measurements: {both}",
                remedy="Give these policies sources of their own, each with `retention_policy` set to its name, "
                "and leave the measurement out of this one",
                measurement=measurement,
            )
        return there[0] if there else found[0]

    def _is_there(self, place: Place, name: str, failures: HttpFailures) -> bool:
        return bool(self._ask(statements.field_keys(place, name), failures))

    def _policies(self, place: Place, failures: HttpFailures) -> list[str]:
        answer = self._ask(statements.retention_policies(place.database), failures)
        return sorted(name for series in answer for (name,) in series.texts(1, failures))

    def _counts(self, statement: str, fields: int, failures: HttpFailures) -> list[int]:
        """The counts of a response, one for each field; zeros if there are no rows."""
        rows = [row for series in self._ask(statement, failures) for row in series.values]
        if not rows:
            return [0] * fields
        counts = [value or 0 for value in rows[0][1:]]
        if len(rows) > 1 or len(counts) != fields or not all(type(each) is int and each >= 0 for each in counts):
            raise failures.odd(f"the response does not hold the counts of {fields} fields")
        return counts

    def _ask(self, statement: str, failures: HttpFailures) -> list[Series]:
        """Read a small response as a whole: parts of an incomplete one mean nothing."""
        request = Request.form("/query", q=statement, epoch="ns", chunked="true")
        with self._http.stream(request, failures) as answer:
            chunks = bounded(answer, failures)
            return in_time(lambda: list(read_series(lines(chunks, failures), failures)), answer, failures)


@dataclass(frozen=True, slots=True)
class _ValueConfirmation:
    """Counts the values of each field."""

    source: InfluxQLSource
    schema: MeasurementSchema

    def arrived(self, batch: pa.RecordBatch) -> Counts:
        return {
            _label(each): sum(len(batch) - batch.column(name).null_count for name in names)
            for each, names in self.source.counted(self.schema).items()
        }

    def at_source(self, window: Window) -> Counts:
        return {_label(each): count for each, count in self.source.values(self.schema, window).items()}


def _label(field: Selected) -> str:
    return f"values of {field.name!r} as {field.cast}"


def _batches(
    answer: ByteStream, measurement: str, chosen: Selection, failures: HttpFailures
) -> Generator[pa.RecordBatch, None, None]:
    columns = [TIME, *(each.name for each in chosen.selected)]
    alike = any(column.role is Role.TAG for column in chosen.schema.left_out)
    chunks = RowChunks(measurement, columns, chosen.types, failures, may_be_alike=alike)
    for batch in map(chosen.rows, chunks.batches(lines(answer, failures))):
        if len(batch):
            yield batch
