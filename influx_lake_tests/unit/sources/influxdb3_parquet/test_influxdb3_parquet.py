"""The files that InfluxDB 3 Core has persisted, read without the server."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from influx_lake.config.connections import InfluxDB3ParquetConfig
from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.errors import (
    ConfigurationError,
    DatabaseNotFound,
    MeasurementNotFound,
    StreamBroken,
    UnexpectedAnswer,
)
from influx_lake.sources.influxdb3_parquet import InfluxDB3ParquetSource, reading
from influx_lake_tests.unit.sources.influxdb3_parquet.persisted_files import CHUNK_NS, CPU, Node

START = datetime(2026, 1, 1, tzinfo=UTC)
NS = (START - EPOCH) // timedelta(seconds=1) * 10**9
DAY = Window(START, START + timedelta(days=1))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node0")


def source(node: Node, **options: Any) -> InfluxDB3ParquetSource:
    given = {"location": str(node.folder), "database": "telemetry", "index": node.folder.parent / "index", **options}
    return InfluxDB3ParquetSource(InfluxDB3ParquetConfig.model_validate(given))


def point(offset: int, host: str | None = "a", **fields: Any) -> dict[str, Any]:
    return {"time": NS + offset, "host": host, **fields}


def rows(of: InfluxDB3ParquetSource, window: Window = DAY, name: str = "cpu") -> list[dict[str, Any]]:
    with of.read(of.schema(name), window) as stream:
        table = pa.Table.from_batches(stream, stream.schema)
    times = table["time"].cast(pa.int64())
    plain = table.set_column(0, "time", times)
    return sorted(plain.to_pylist(), key=lambda row: (row["time"], row["host"] or ""))


def test_points_of_one_file_come_as_they_are(node: Node) -> None:
    node.persist([point(0, usage=1.5, count=2**62), point(1, None, usage=None)], 1)
    found = source(node)
    assert found.measurements() == ["cpu"]
    schema = found.schema("cpu")
    assert (schema.tags, schema.fields) == (("host",), ("count", "usage"))
    assert rows(found) == [
        {"time": NS, "host": "a", "count": 2**62, "usage": 1.5},
        {"time": NS + 1, "host": None, "count": None, "usage": None},
    ]
    assert found.count("cpu", DAY) == 2


def test_a_window_takes_only_its_own_points(node: Node) -> None:
    node.persist([point(-1), point(0), point(CHUNK_NS - 1), point(CHUNK_NS)], 1)
    first = Window(START, START + timedelta(minutes=10))
    assert [row["time"] - NS for row in rows(source(node), first)] == [0, CHUNK_NS - 1]


def test_a_point_in_two_files_is_one_and_its_fields_are_joined(node: Node) -> None:
    node.persist([point(0, usage=1.0, count=1), point(5, usage=5.0)], 1)
    node.persist([point(0, usage=2.0), point(0, "b", usage=9.0)], 2)
    assert rows(source(node)) == [
        {"time": NS, "host": "a", "count": 1, "usage": 2.0},
        {"time": NS, "host": "b", "count": None, "usage": 9.0},
        {"time": NS + 5, "host": "a", "count": None, "usage": 5.0},
    ]


def test_the_file_that_begins_first_wins_as_on_the_server(node: Node) -> None:
    node.persist([point(0), point(7, usage=1.0)], 1)
    node.persist([point(3), point(7, usage=2.0)], 2)
    assert [row["usage"] for row in rows(source(node)) if row["time"] == NS + 7] == [1.0]


def test_a_column_that_came_later_is_null_before(node: Node) -> None:
    node.persist([point(0, usage=1.0)], 1)
    node.persist([point(CHUNK_NS, idle=2.0)], 2, columns={**CPU, "idle": "field::float"})
    assert [row["idle"] for row in rows(source(node))] == [None, 2.0]


def test_names_of_old_folders(node: Node) -> None:
    silent = Node(node.folder, says_names=False)
    silent.persist([point(0)], 1, database="telemetry-1", table="cpu-total-3")
    silent.persist([point(0)], 1, database="other-2", table="cpu-total-3")
    assert source(node).measurements() == ["cpu-total"]
    assert len(rows(source(node), name="cpu-total")) == 1


def test_a_table_without_a_name_is_found_by_its_number(node: Node) -> None:
    Node(node.folder, says_names=False).persist([point(0)], 1)
    assert source(node).measurements() == []
    with pytest.raises(MeasurementNotFound, match="tables: "):
        source(node).schema("cpu")
    assert len(rows(source(node, tables={"cpu": 3}))) == 1


def test_two_tables_of_one_name_have_to_be_distinguished(node: Node) -> None:
    node.persist([point(0)], 1, table=3)
    node.persist([point(0), point(1)], 2, table=8)
    with pytest.raises(ConfigurationError, match=r"tables: \{cpu: number\}"):
        source(node).schema("cpu")
    assert len(rows(source(node, tables={"cpu": 8}))) == 2


def test_several_databases_have_to_be_distinguished(node: Node) -> None:
    node.persist([point(0)], 1, database=1)
    node.persist([point(0), point(1)], 1, database=2)
    with pytest.raises(ConfigurationError, match="database_id"):
        source(node).measurements()
    assert len(rows(source(node, database_id=2))) == 2
    with pytest.raises(DatabaseNotFound):
        source(node, database_id=7).measurements()


def test_nothing_there(node: Node) -> None:
    with pytest.raises(DatabaseNotFound, match="there are: none"):
        source(node).measurements()


def test_a_damaged_file_is_named(node: Node) -> None:
    node.persist([point(0)], 1)
    (file,) = node.folder.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UnexpectedAnswer, match=r"0000000001\.parquet is damaged"):
        source(node).schema("cpu")


def test_a_damaged_file_fails_only_the_windows_that_need_it(node: Node) -> None:
    node.persist([point(0, usage=1.0)], 1)
    node.persist([point(6 * 3600 * 10**9, usage=2.0)], 2)
    damaged = max(node.folder.rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    hours = [Window(START + timedelta(hours=hour), START + timedelta(hours=hour + 1)) for hour in (0, 3, 6)]
    found = source(node)
    assert found.measurements() == ["cpu"]
    assert [row["usage"] for row in rows(found, hours[0])] == [1.0]
    assert rows(found, hours[1]) == []
    for window in (hours[2], DAY):
        with pytest.raises(UnexpectedAnswer, match=r"0000000002\.parquet is damaged"):
            found.count("cpu", window)


def test_a_file_that_goes_while_it_is_read_is_no_empty_answer(node: Node) -> None:
    node.persist([point(0)], 1)
    found = source(node)
    schema = found.schema("cpu")
    for file in node.folder.rglob("*.parquet"):
        file.unlink()
    with pytest.raises(StreamBroken, match="load again"), found.read(schema, DAY) as stream:
        list(stream)


def test_each_footer_is_read_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    from influx_lake.sources.influxdb3_parquet import index

    read = list[str]()
    reader = index.read_footer
    monkeypatch.setattr(index, "read_footer", lambda store, path, odd: read.append(path) or reader(store, path, odd))
    node.persist([point(0), point(CHUNK_NS)], 1)
    source(node).schema("cpu")
    source(node).schema("cpu")
    assert len(read) == 2
    node.persist([point(2 * CHUNK_NS)], 2)
    assert len(rows(source(node))) == 3
    assert len(read) == 3


def test_a_damaged_index_is_made_again(node: Node) -> None:
    node.persist([point(0)], 1)
    source(node).schema("cpu")
    for file in (node.folder.parent / "index").iterdir():
        file.write_text("{")
    assert len(rows(source(node))) == 1


@pytest.mark.parametrize("seed", range(30))
def test_any_files_are_merged_point_by_point(node: Node, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the rule written down plainly; also where a group is merged in slices of time."""
    chance = random.Random(seed)
    if seed % 2:
        monkeypatch.setattr(reading, "_MERGED_AT_ONCE", 200)
    files: list[tuple[int, int, dict[tuple[int, str | None], dict[str, Any]]]] = []
    for sequence in range(1, chance.randrange(2, 8)):
        held: dict[tuple[int, str | None], dict[str, Any]] = {}
        for _ in range(chance.randrange(1, 30)):
            offset, host = chance.randrange(0, 40), chance.choice(["a", "b", None])
            values = {"usage": chance.choice([None, chance.random(), -0.0]), "count": chance.choice([None, sequence])}
            held[offset, host] = point(offset, host, **values)
        node.persist(list(held.values()), sequence)
        files.append((min(time for time, _ in held), sequence, held))
    expected: dict[tuple[int, str | None], dict[str, Any]] = {}
    for _, _, held in sorted(files, key=lambda file: (-file[0], file[1])):
        for key, row in held.items():
            known = expected.setdefault(key, dict(row))
            known.update({name: value for name, value in row.items() if value is not None})
    wanted = sorted(expected.values(), key=lambda row: (row["time"], row["host"] or ""))
    assert rows(source(node)) == [{name: row[name] for name in ("time", "host", "count", "usage")} for row in wanted]
    assert source(node).count("cpu", DAY) == len(wanted)


def test_numbers_that_the_running_server_knows(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox keeps its files elsewhere than Core: its answers stand here as Core's source writes them."""
    from influx_lake.sources.influxdb3 import InfluxDB3Source

    silent = Node(node.folder, says_names=False)
    silent.persist([point(0)], 1, database=1, table=3)
    silent.persist([point(0), point(1)], 1, database=2, table=5)
    monkeypatch.setattr(InfluxDB3Source, "measurements", lambda self: ["cpu", "not_persisted_yet"])
    paths = {"cpu": "node0/dbs/2/5/2026-01-01/00-00/0000000001.parquet"}
    monkeypatch.setattr(InfluxDB3Source, "parquet_path", lambda self, name: paths.get(name))
    found = source(node, server={"host": "localhost", "database": "telemetry"})
    assert found.measurements() == ["cpu"]
    assert len(rows(found)) == 2


@pytest.mark.parametrize("column", ["note", "host"])
@pytest.mark.parametrize("overlapping", [False, True])
def test_a_text_that_is_not_utf8_is_reported_with_its_file_and_column(
    node: Node, column: str, *, overlapping: bool
) -> None:
    columns = {**CPU, "note": "field::string"}
    for sequence in (1, 2) if overlapping else (1,):
        node.persist([point(0, note="a"), point(5, "b", note="bXX")], sequence, columns=columns)
    file = min(node.folder.rglob("*.parquet"))
    table = pq.read_table(file)
    texts = pa.array([b"a", b"b\xff\xfe"]).view(pa.string())
    odd = texts.dictionary_encode() if column == "host" else texts
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, table.schema.field(place), odd), file)
    with pytest.raises(
        UnexpectedAnswer, match=rf"{file.name} is damaged: column '{column}' has a string that is not UTF-8"
    ):
        rows(source(node))


def test_names_that_are_not_utf8_are_reported_with_their_file(node: Node) -> None:
    node.persist([point(0, usageXX=1.0)], 1, columns={"time": "timestamp", "usageXX": "field::float"})
    [file] = node.folder.rglob("*.parquet")
    pq.write_table(pq.read_table(file), file, store_schema=False)
    file.write_bytes(file.read_bytes().replace(b"usageXX", b"usage\xff\xfe"))
    with pytest.raises(
        UnexpectedAnswer, match=rf"{file.name} is damaged: it contains a name that is not UTF-8: .*usage"
    ):
        source(node).schema("cpu")
