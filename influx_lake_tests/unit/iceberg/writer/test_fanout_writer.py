"""Many partitions at once: few open files, no small ones, and memory that is spared."""

from __future__ import annotations

import gc
import os
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace as changed
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile

from influx_lake.config import WriteOptions
from influx_lake.config.tables.sort_order import parse_sort_term
from influx_lake.config.tables.table_layout import parse_term
from influx_lake.errors import StorageError
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer import fanout_writer, writer
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, SCHEMA, TARGET, Batches, day, held, rows, table
from testbed.loads import load_of


def partitioned(*terms: str, size: int = 2**29, sort_by: tuple[str, ...] = ()) -> TableTarget:
    write = WriteOptions(target_file_size=size, sort_by=tuple(map(parse_sort_term, sort_by)))
    return changed(TARGET, partition=tuple(map(parse_term, terms)), write=write)


def files(catalog: Catalog) -> list[DataFile]:
    return [task.file for task in table(catalog).scan().plan_files()]


def open_files(*suffixes: str) -> int:
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link).endswith(suffixes) for link in links if link.is_symlink())


@pytest.fixture(autouse=True)
def _files_of_errors_are_closed() -> None:
    """What an error of an earlier test held open, by its traceback, is not counted."""
    gc.collect()


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch is handed on at once, and fifty kilobytes wait."""
    monkeypatch.setattr(writer, "INCOMING_ROWS", 1)
    monkeypatch.setattr(fanout_writer, "WAITING_BYTES", 50_000)
    monkeypatch.setattr(fanout_writer, "ENCODED_BYTES", 25_000)


class Watched:
    """Batches that note how many files are open when the next one is asked for."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self.batches = batches
        self.parquet: list[int] = []
        self.spills: list[int] = []

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            yield batch
            self.parquet.append(open_files(".parquet"))
            self.spills.append(open_files("(deleted)"))


def of_hosts(batches: int, hosts: int) -> Iterator[pa.RecordBatch]:
    """Batches with rows of every host."""
    for number in range(batches):
        names = pa.array([None if i % hosts == 7 else f"h{i % hosts}" for i in range(3 * hosts)])
        yield rows(day(0), 3 * hosts, value=number).set_column(1, "host", names)


@pytest.mark.slow
@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    "kind",
    [pytest.param(pa.string(), marks=pytest.mark.slow), pa.dictionary(pa.int8(), pa.string())],
    ids=["text", "dictionary"],
)
def test_partitions_beyond_the_open_files_wait_on_disk(catalog: Catalog, kind: pa.DataType) -> None:
    schema = SCHEMA.set(1, pa.field("host", kind))
    watched = Watched(batch.cast(schema) for batch in of_hosts(25, hosts=120))
    others = open_files("(deleted)")
    commit = replace_window(load_of(catalog, partitioned("host"), Batches(schema, watched), day(0), PROVENANCE))
    assert max(watched.parquet) == fanout_writer.MAX_OPEN_FILES
    assert (watched.spills[-1] - others, open_files("(deleted)") - others, open_files(".parquet")) == (1, 0, 0)
    assert commit.files_added == len({str(file.partition) for file in files(catalog)}) == 120
    expected = pa.Table.from_batches(of_hosts(25, hosts=120)).sort_by([("value", "ascending"), ("count", "ascending")])
    found = held(catalog).sort_by([("value", "ascending"), ("count", "ascending")])
    assert found.select(["host", "value", "count"]) == expected.select(["host", "value", "count"])


@pytest.mark.slow
@pytest.mark.usefixtures("little_memory")
def test_partitions_that_come_one_after_the_other_need_no_disk(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout_writer, "IDLE_CHUNKS", 3)
    watched = Watched(rows(day(number // 3), 20) for number in range(3 * 80))
    others = open_files("(deleted)")
    commit = replace_window(
        load_of(catalog, partitioned("day(time)"), Batches(SCHEMA, watched), day(0, 80), PROVENANCE)
    )
    assert set(watched.spills) == {others}
    assert max(watched.parquet) <= fanout_writer.MAX_OPEN_FILES
    assert commit.files_added == 80


@pytest.mark.usefixtures("little_memory")
def test_a_stream_that_breaks_leaves_no_file(catalog: Catalog, lake_folder: Path) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield from of_hosts(15, hosts=120)
        assert open_files(".parquet") > 10
        raise OSError(5, "Input/output error")

    others = open_files("(deleted)")
    with pytest.raises(StorageError, match="Input/output error"):
        replace_window(load_of(catalog, partitioned("host"), Batches(SCHEMA, breaking()), day(0), PROVENANCE))
    assert (open_files(".parquet"), open_files("(deleted)")) == (0, others)
    assert list(lake_folder.rglob("*.parquet")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "sort_by", [(), pytest.param(("host", "value"), marks=pytest.mark.slow)], ids=["as they come", "sorted"]
)
def test_files_of_buckets_have_the_size_that_was_requested(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, sort_by: tuple[str, ...]
) -> None:
    monkeypatch.setattr(fanout_writer, "WAITING_BYTES", 2**20)
    size = 120_000
    chance = random.Random(4)

    def many() -> Iterator[pa.RecordBatch]:
        for _ in range(8):
            hosts = pa.array([f"host-{chance.randrange(500)}" for _ in range(40_000)])
            noise = pa.array([chance.random() for _ in range(40_000)])
            yield rows(day(0), 40_000).set_column(1, "host", hosts).set_column(2, "value", noise)

    target = partitioned("bucket(16, host)", size=size, sort_by=sort_by)
    commit = replace_window(load_of(catalog, target, Batches(SCHEMA, many()), day(0), PROVENANCE))
    by_bucket = defaultdict(list)
    for file in files(catalog):
        by_bucket[str(file.partition)].append(file)
    assert len(by_bucket) == 16
    for found in by_bucket.values():
        sizes = sorted(file.file_size_in_bytes for file in found)
        assert len(sizes) >= 2
        assert all(abs(each - size) < 0.15 * size for each in sizes[1:])
    assert sum(file.record_count for file in files(catalog)) == commit.rows == 320_000
    if sort_by:
        for file in files(catalog):
            content = pq.read_table(file.file_path.removeprefix("file://"), columns=list(sort_by))
            assert content == content.sort_by([(column, "ascending") for column in sort_by])
