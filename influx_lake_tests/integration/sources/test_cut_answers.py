"""Answers of real servers, cut at every byte: nothing but all of one is taken for all of it."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from influx_lake.config.connections import InfluxDB2Config
from influx_lake.config.values.windows import Window
from influx_lake.errors import StreamBroken
from influx_lake.sources import open_reliable_source
from influx_lake.sources.flux import scripts
from influx_lake.sources.flux.annotated import tables
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.http.documents import lines
from influx_lake.sources.influxql import statements
from influx_lake.sources.influxql.chunks import RowChunks
from influx_lake.sources.influxql.results import read_series
from influx_lake.sources.influxql.statements import Place, Selected
from testbed.influxdb_servers import DATABASE, ORG, Server, influxdb1, influxdb2

pytestmark = pytest.mark.servers

FAILURES = HttpFailures(InfluxDB2Config(type="influxdb2", host="h", org="o", bucket="b"), "the server")
START_NS = 1_767_225_600 * 10**9
DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
EARLIER = Window(DAY.start - timedelta(days=9), DAY.start - timedelta(days=8))
PLACE = Place(DATABASE, "autogen")
COLUMNS = [Selected("usage", "float"), Selected("text", "string"), Selected("host", "tag")]
TYPES = [pa.int64(), pa.float64(), pa.string(), pa.string()]
LINES = [f'cpu,host=h{n % 3} usage={n}.5,text="a\\"b{n}" {START_NS + n}' for n in range(20)] + ["disk used=1i 1"]


def taken(read: Callable[[list[bytes]], object], answer: bytes) -> set[int]:
    """The lengths of the beginnings that are taken for a whole answer."""
    found = set()
    for length in range(len(answer) + 1):
        try:
            read([answer[:length]])
        except StreamBroken:
            continue
        found.add(length)
    return found


def asked(server: Server, statement: str) -> bytes:
    content = {"db": DATABASE, "q": statement, "epoch": "ns", "chunked": "true", "chunk_size": "7"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return server.request("/query", urllib.parse.urlencode(content).encode(), form)


def check_influxql(server: Server) -> None:
    server.write("\n".join(LINES))
    names = ["time", *(each.name for each in COLUMNS)]

    def rows(chunks: list[bytes]) -> list[pa.RecordBatch]:
        return list(RowChunks("cpu", names, TYPES, FAILURES).batches(lines(chunks, FAILURES)))

    for window, count in ((DAY, 20), (EARLIER, 0)):
        answer = asked(server, statements.rows(PLACE, "cpu", COLUMNS, window))
        assert sum(batch.num_rows for batch in rows([answer])) == count
        assert taken(rows, answer) == {len(answer) - 1, len(answer)}
    lists = [statements.field_keys(PLACE), statements.tag_keys(PLACE, "disk"), statements.DATABASES]
    for statement in (*lists, statements.counts(PLACE, "cpu", COLUMNS[:2], DAY)):
        answer = asked(server, statement)
        found = taken(lambda chunks: list(read_series(lines(chunks, FAILURES), FAILURES)), answer)
        assert found == {len(answer) - 1, len(answer)}, statement


@pytest.mark.parametrize("version", ["1.6", "1.8"])
def test_of_influxdb1(tmp_path: Path, version: str) -> None:
    with influxdb1(tmp_path, version) as server:
        check_influxql(server)


def test_of_influxdb2(tmp_path: Path) -> None:
    with influxdb2(tmp_path) as server:
        check_influxql(server)


def test_of_flux(tmp_path: Path) -> None:
    with influxdb2(tmp_path) as server:
        server.write("\n".join(LINES))

        def told(script: str) -> bytes:
            content = {"query": script, "dialect": {"annotations": ["datatype", "group", "default"]}}
            sent = {"Content-Type": "application/json", "Accept": "application/csv"}
            return server.request(f"/api/v2/query?org={ORG}", json.dumps(content).encode(), sent)

        def read(chunks: list[bytes]) -> list[pa.Table]:
            return list(tables(chunks, FAILURES))

        answer = told(scripts.points(DATABASE, "cpu", ["host"], DAY))
        assert sum(table.num_rows for table in read([answer])) == 40
        ends = {place + 4 for place in range(len(answer)) if answer.startswith(b"\r\n\r\n", place)}
        assert taken(read, answer) == ends, "what is cut between two blocks is left to the count"
        assert told(scripts.points(DATABASE, "cpu", ["host"], EARLIER)) == b"\r\n"
        for window, values in ((DAY, 20), (EARLIER, None)):
            answer = told(scripts.counts(DATABASE, "cpu", window))
            counts = {
                field or "": count
                for table in read([answer])
                for field, count in zip(table["_field"].to_pylist(), table["_value"].to_pylist(), strict=True)
            }
            assert counts == {"": 0, **({"usage": values, "text": values} if values else {})}
            assert taken(read, answer) == {len(answer)}, "a count is one block"
        for script in (scripts.measurements(DATABASE), scripts.ANSWERING):
            answer = told(script)
            assert taken(read, answer) == {len(answer)}


def test_an_empty_window_in_flux_is_counted(tmp_path: Path) -> None:
    with influxdb2(tmp_path) as server:
        server.write("\n".join(LINES))
        source = open_reliable_source(server.config(query_language="flux"))
        schema = source.schema("cpu")
        for window, count in ((DAY, 20), (EARLIER, 0)):
            with source.read(schema, window) as rows:
                assert sum(batch.num_rows for batch in rows) == count
        source.close()
