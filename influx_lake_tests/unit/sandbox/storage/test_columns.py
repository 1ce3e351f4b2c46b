from __future__ import annotations

import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.query.sql import plan
from influx_lake.sandbox.storage.columns import TIME, Kind, arrow_schema, conform, in_one_chunk, kinds_of
from influx_lake.sandbox.storage.store import Database
from influx_lake.sandbox.storage.table import Table

COLUMNS = {TIME: Kind.TIME, "host": Kind.TAG, "v": Kind.FLOAT}
SCHEMA = arrow_schema("m", COLUMNS)


def rubble() -> pa.DictionaryArray:
    """A valid array whose index below a null points nowhere, as kernels may leave it."""
    buffers = [pa.py_buffer(b"\x01"), pa.py_buffer(struct.pack("<ii", 0, 0x7FFFFFF0))]
    indices = pa.Array.from_buffers(pa.int32(), 2, buffers)
    array = pa.DictionaryArray.from_arrays(indices, pa.array(["b"]), safe=False)
    array.validate(full=True)
    return array


def rows(hosts: pa.Array, first: int) -> pa.Table:
    times = pa.array(range(first, first + len(hosts)), pa.int64()).cast(pa.timestamp("ns"))
    columns = {"host": hosts, TIME: times, "v": pa.array([1.0] * len(hosts))}
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def test_kinds_and_schemas_are_two_ways_to_say_the_same() -> None:
    assert kinds_of(SCHEMA) == COLUMNS
    assert SCHEMA.names == ["host", "time", "v"]


def test_older_rows_get_nulls_for_newer_columns() -> None:
    wider = arrow_schema("m", COLUMNS | {"a": Kind.TAG, "s": Kind.STRING})
    table = conform(rows(pa.array(["x"]).dictionary_encode(), 0), wider)
    assert table.schema.equals(wider, check_metadata=True)
    assert table.select(["a", "host", "s", "v"]).to_pylist() == [{"a": None, "host": "x", "s": None, "v": 1.0}]


def test_what_lies_below_a_null_tag_does_no_harm(tmp_path: Path) -> None:
    parts = [rows(pa.array(["a", "b"]).dictionary_encode(), 0), rows(rubble(), 2)]
    assert in_one_chunk(pa.concat_tables(parts)).column("host").to_pylist() == ["a", "b", "b", None]
    pq.write_table(parts[1], tmp_path / "m.parquet")
    assert pq.read_table(tmp_path / "m.parquet").column("host").to_pylist() == ["b", None]
    database = Database("db")
    database.tables["m"] = table = Table("m", lambda: 0.0)
    for part in parts:
        table.append(part, COLUMNS, 0)
        table.snapshot()
    sql = "select host, count(*) as n from m where host is null or host <> 'a' group by host order by host"
    answer = pa.Table.from_batches(plan(database, sql, {}, Faults()).batches())
    assert answer.to_pylist() == [{"host": "b", "n": 2}, {"host": None, "n": 1}]


def test_a_null_tag_can_be_queried_as_it_was_loaded() -> None:
    database = Database("db")
    database.tables["m"] = table = Table("m", lambda: 0.0)
    table.append(rows(rubble(), 0), COLUMNS, 0)
    answer = pa.Table.from_batches(plan(database, "select host from m where host is null", {}, Faults()).batches())
    assert answer.to_pylist() == [{"host": None}]
