"""InfluxDB 3 as a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import pyarrow as pa

from influx_lake.config.connections import InfluxDB3Config, Protocol
from influx_lake.config.connections.changes import CHANGES_TABLE
from influx_lake.config.values.conditions import Condition
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window, from_nanoseconds
from influx_lake.errors import QueryRejected
from influx_lake.sources.arrow_types import arrow_schema
from influx_lake.sources.conditions import is_exact
from influx_lake.sources.influxdb3 import sql
from influx_lake.sources.influxdb3.answer import Queries
from influx_lake.sources.influxdb3.conditions import row_condition
from influx_lake.sources.influxdb3.declared_schema import measurement_schema
from influx_lake.sources.influxdb3.failures import Failures
from influx_lake.sources.influxdb3.flight import FlightConnection
from influx_lake.sources.influxdb3.groups import BIN, ROWS, groups
from influx_lake.sources.influxdb3.http_queries import HttpQueries
from influx_lake.sources.influxdb3.layout import Layout
from influx_lake.sources.influxdb3.profiles import aggregates, parts_of, profile, profile_columns
from influx_lake.sources.listing import Listing
from influx_lake.sources.profile import ColumnProfile, Profile
from influx_lake.sources.protocol import RowStream, ServerInfo
from influx_lake.sources.single_use_rows import SingleUseRows

_ONE = pa.schema([("one", pa.int64())])
_ROWS = pa.schema([("rows", pa.int64())])
_FIRST = pa.schema([("first", pa.timestamp("ns"))])
_GROUPED = pa.schema([(BIN, pa.timestamp("ns")), *_ROWS])
_PATH = pa.schema([("path", pa.string())])
_FILES = pa.schema([(name, pa.int64()) for name in ("size_bytes", "row_count", "min_time", "max_time")])
_QUERIES = pa.schema([("queries", pa.int64()), ("first", pa.timestamp("ns"))])
_NO_SCHEMA_TABLE = "system.influxdb_schema' not found"


class InfluxDB3Source:
    """A database of an InfluxDB 3, read over Arrow Flight or HTTP.

    Creating one is cheap and contacts nothing. Threads may share it. It can be closed and used again.

    Args:
        config: The server and its database.
    """

    def __init__(self, config: InfluxDB3Config) -> None:
        self._config = config
        self._queries: Queries = FlightConnection(config) if config.protocol is Protocol.FLIGHT else HttpQueries(config)
        self._before_3_3 = False

    @property
    def identity(self) -> str:
        return f"influxdb3://{self._config.address}/{self._config.database}"

    def __repr__(self) -> str:
        return f"InfluxDB3Source({self.identity!r})"

    def server(self) -> ServerInfo:
        """The server's identity. A query checks address, token and database; `/ping` has the version."""
        self._queries.table(sql.SERVER, Failures(self._config), _ONE)
        said = self._queries.ping() or {}
        return ServerInfo(
            str(said.get("product_name") or "InfluxDB 3"),
            str(said.get("version") or "unknown"),
        )

    def measurements(self) -> list[str]:
        return list(self.listing().measurements)

    def listing(self) -> Listing:
        answer = self._system(sql.MEASUREMENTS, Failures(self._config))
        # The table that the plugin inside the server writes is not a measurement.
        own = {CHANGES_TABLE, *([self._config.changes.table] if self._config.changes else [])}
        return Listing.of_influxdb3(name for (name,) in answer if name not in own)

    def schema(self, measurement: str) -> MeasurementSchema:
        failures = Failures(self._config, measurement)
        answer = self._system(sql.columns(measurement), failures)
        if not answer:
            raise failures.no_measurement(measurement)
        return measurement_schema(measurement, ((name, words) for name, words in answer), failures.odd)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        failures = Failures(self._config, schema.measurement, window)
        names = [column.name for column in schema.columns]
        statement = sql.rows(schema.measurement, names, window, row_condition(schema))
        with self._queries.stream(statement, failures, arrow_schema(schema)) as answer:
            layout = Layout(schema, answer.schema, failures.odd)
            yield SingleUseRows(layout.schema, map(layout.fit, answer))

    def count(self, measurement: str, window: Window) -> int:
        failures = Failures(self._config, measurement, window)
        answer = self._queries.table(sql.row_count(measurement, window), failures, _ROWS)
        counts = answer.column(0).to_pylist() if answer.num_columns == 1 else []
        if len(counts) != 1 or not isinstance(counts[0], int):
            raise failures.odd("the result is not a count")
        return counts[0]

    def takes(self, schema: MeasurementSchema, condition: Condition) -> bool:
        return is_exact(schema, condition)

    def counts(self, measurement: str, windows: Sequence[Window]) -> list[int]:
        return self._grouped_counts(measurement, windows)

    def selected_counts(self, schema: MeasurementSchema, windows: Sequence[Window]) -> list[int]:
        return self._grouped_counts(schema.measurement, windows, row_condition(schema))

    def _grouped_counts(self, measurement: str, windows: Sequence[Window], condition: str | None = None) -> list[int]:
        failures = Failures(self._config, measurement, Window(windows[0].start, windows[-1].end))
        answer = self._queries.table(sql.grouped(measurement, windows, ROWS, condition), failures, _GROUPED)
        found = {start: group["rows"] for start, group in groups(answer, failures.odd)}
        return [found.get(window.start_us, 0) for window in windows]

    def first_time(self, measurement: str) -> datetime | None:
        failures = Failures(self._config, measurement)
        answer = self._queries.table(sql.first_time(measurement), failures, _FIRST)
        if answer.num_columns != 1 or len(answer) > 1 or not pa.types.is_timestamp(answer.schema.field(0).type):
            raise failures.odd("the result is not the time of the first point")
        first = answer.column(0).cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()
        return from_nanoseconds(first[0]) if first and first[0] is not None else None

    def parquet_path(self, measurement: str) -> str | None:
        """The path of one of the measurement's persisted files in the object store; None before there is one."""
        failures = Failures(self._config, measurement)
        answer = self._queries.table(sql.parquet_path(measurement), failures, _PATH)
        paths = answer.column(0).to_pylist() if answer.num_columns == 1 else []
        return str(paths[0]) if paths else None

    def persisted(self, measurement: str) -> list[tuple[int, int, datetime, datetime]]:
        """The persisted files of an existing measurement: bytes, rows, first and last time."""
        failures = Failures(self._config, measurement)
        answer = self._queries.table(sql.parquet_files(measurement), failures, _FILES)
        if answer.column_names != _FILES.names or any(column.null_count for column in answer.columns):
            raise failures.odd("the result is not the persisted files")
        columns = [column.cast(pa.int64()).to_pylist() for column in answer.columns]
        return [
            (size, rows, from_nanoseconds(first), from_nanoseconds(last))
            for size, rows, first, last in zip(*columns, strict=True)
        ]

    def queries(self) -> tuple[int, datetime | None]:
        """The number of queries that the server has logged, and the time of the first."""
        failures = Failures(self._config)
        answer = self._queries.table(sql.QUERIES, failures, _QUERIES)
        if answer.num_columns != 2 or len(answer) != 1 or not isinstance(answer.column(0)[0].as_py(), int):
            raise failures.odd("the result is not the number of queries")
        first = answer.column(1).cast(pa.timestamp("ns")).cast(pa.int64())[0].as_py()
        return answer.column(0)[0].as_py(), None if first is None else from_nanoseconds(first)

    def profiles(
        self, schema: MeasurementSchema, windows: Sequence[Window], scales: Mapping[str, float]
    ) -> list[Profile]:
        failures = Failures(self._config, schema.measurement, Window(windows[0].start, windows[-1].end))
        condition = row_condition(schema)
        profiles: list[dict[str, ColumnProfile]] = [{} for _ in windows]
        for part in parts_of(schema):
            asked = sql.grouped(schema.measurement, windows, aggregates(part, scales), condition)
            answer = self._queries.table(asked, failures, profile_columns(part))
            found = {start: profile(part, group) for start, group in groups(answer, failures.odd)}
            nothing = {column.name: ColumnProfile() for column in part.columns}
            for window, columns in zip(windows, profiles, strict=True):
                columns.update(found.get(window.start_us, nothing))
        return list[Profile](profiles)

    def close(self) -> None:
        self._queries.close()

    def _system(self, query: sql.SystemQuery, failures: Failures) -> list[tuple[str, ...]]:
        """Query `system.influxdb_schema`, or the tables of servers before 3.3."""
        if not self._before_3_3:
            try:
                return self._texts(query.columns, query.statement, failures)
            except QueryRejected as error:
                if _NO_SCHEMA_TABLE not in error.message:
                    raise
        answer = self._texts(query.columns, query.before_3_3, failures)
        self._before_3_3 = True
        return answer

    def _texts(self, columns: tuple[str, ...], statement: str, failures: Failures) -> list[tuple[str, ...]]:
        answer = self._queries.table(statement, failures, pa.schema([(name, pa.string()) for name in columns]))
        if tuple(answer.column_names) != columns:
            raise failures.odd(f"the query is for {list(columns)}, and the result has {answer.column_names}")
        if any(column.null_count for column in answer.columns):
            raise failures.odd(f"a row of the result lacks one of {list(columns)}")
        return list(zip(*(column.cast(pa.string()).to_pylist() for column in answer.columns), strict=True))
