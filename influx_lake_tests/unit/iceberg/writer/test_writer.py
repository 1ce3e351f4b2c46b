"""Files as other engines want them, of the size that was asked for."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from dataclasses import replace as changed
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import BucketTransform, HourTransform, IdentityTransform

from influx_lake.config import Compression, WriteOptions
from influx_lake.config.tables.table_layout import parse_term
from influx_lake.iceberg.columns.schema import iceberg_schema
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.writer.data_file import OpenFile
from influx_lake.iceberg.writer.rolling_writer import MOST_CLOSING
from influx_lake.iceberg.writer.writer import DataFileWriter
from influx_lake_tests.unit.iceberg.tables import (
    PROVENANCE,
    SCHEMA,
    TARGET,
    Batches,
    day,
    held,
    replace,
    rows,
    stream,
    table,
)
from testbed.loads import load_of


def files(catalog: Catalog) -> list[DataFile]:
    return [task.file for task in table(catalog).scan().plan_files()]


def parquet(file: DataFile) -> pq.FileMetaData:
    return pq.read_metadata(file.file_path.removeprefix("file://"))


@pytest.mark.parametrize("size", [50, 700, 1_000, 2_600])
def test_row_groups_are_full_however_rows_come(size: int, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influx_lake.iceberg.writer.writer.INCOMING_ROWS", size)
    batches = [rows(day(0), 5_400).slice(first, size) for first in range(0, 5_400, size)]
    replace(catalog, day(0), *batches, target=changed(TARGET, write=WriteOptions(row_group_size=1_000)))
    footer = parquet(files(catalog)[0])
    groups = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    assert groups == [1_000, 1_000, 1_000, 1_000, 1_000, 400]
    assert held(catalog).column("count").to_pylist() == rows(day(0), 5_400).column("count").to_pylist()


def test_a_file_that_was_closed_leaves_memory(catalog: Catalog) -> None:
    target = changed(TARGET, write=WriteOptions(row_group_size=1_000, target_file_size=1))
    replace(catalog, day(0), rows(day(0), 1))
    writer = DataFileWriter(table(catalog), target)
    for number in range(40):
        writer.write(rows(day(0), 1_000, value=number))
        writer._distribute()
    there = sum(isinstance(each, OpenFile) for each in gc.get_objects())
    assert len(writer.finish()) == 40
    assert there <= MOST_CLOSING + 2


def test_files_say_no_more_than_the_iceberg_schema(catalog: Catalog) -> None:
    encoded = rows(day(0), 100)
    hosts = encoded.column("host").dictionary_encode()
    encoded = encoded.set_column(1, "host", hosts).append_column("big", pa.array(range(100), pa.uint64()))
    replace(catalog, day(0), encoded)
    footer = parquet(files(catalog)[0])
    assert footer.metadata is None or b"ARROW:schema" not in footer.metadata
    arrow = footer.schema.to_arrow_schema()
    assert arrow.field("host").type == pa.string()
    assert arrow.field("big").type == pa.decimal128(20, 0)
    assert [field.metadata[b"PARQUET:field_id"] for field in arrow] == [b"1", b"2", b"3", b"4", b"5"]


def test_columns_are_encoded_by_what_they_hold(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 5000))
    group = parquet(files(catalog)[0]).row_group(0)
    encodings = {group.column(i).path_in_schema: set(group.column(i).encodings) for i in range(group.num_columns)}
    assert "RLE_DICTIONARY" in encodings["host"]
    assert "DELTA_BINARY_PACKED" in encodings["time"]
    assert not any("BYTE_STREAM_SPLIT" in found for found in encodings.values())


@pytest.mark.parametrize("codec", list(Compression))
def test_each_codec_is_used(catalog: Catalog, codec: Compression) -> None:
    replace(catalog, day(0), rows(day(0), 5000), target=changed(TARGET, write=WriteOptions(compression=codec)))
    expected = {Compression.NONE: "UNCOMPRESSED"}.get(codec, codec.value.upper())
    assert parquet(files(catalog)[0]).row_group(0).column(0).compression == expected


@pytest.mark.slow
def test_a_level_makes_files_smaller(catalog: Catalog) -> None:
    sizes = []
    for level in (1, 22):
        target = changed(TARGET, write=WriteOptions(compression_level=level))
        sizes.append(replace(catalog, day(0), rows(day(0), 50_000), target=target).bytes_written)
    assert sizes[1] < sizes[0]


def test_files_roll_at_their_size_on_disk(catalog: Catalog) -> None:
    size = 400_000
    target = changed(TARGET, write=WriteOptions(target_file_size=size))

    def many() -> Iterator[pa.RecordBatch]:
        chance = random.Random(4)
        for _ in range(10):
            noise = pa.array([chance.random() for _ in range(40_000)])
            yield rows(day(0), 40_000).set_column(2, "value", noise)

    commit = replace_window(load_of(catalog, target, Batches(SCHEMA, many()), day(0), PROVENANCE))
    sizes = sorted(file.file_size_in_bytes for file in files(catalog))
    assert commit.files_added == len(sizes) > 3
    assert all(abs(found - size) < 0.15 * size for found in sizes[1:])
    assert sum(file.record_count for file in files(catalog)) == commit.rows == 400_000


def test_a_file_holds_one_day(catalog: Catalog) -> None:
    replace(catalog, day(0, 31), *(rows(day(0, 31), 31 * 24) for _ in range(3)))
    assert sorted(file.partition[0] for file in files(catalog)) == [20454 + number for number in range(31)]
    assert {file.record_count for file in files(catalog)} == {72}


def test_more_partitions_than_open_files(catalog: Catalog) -> None:
    replace(catalog, day(0, 100), *(rows(day(0, 100), 200) for _ in range(2)))
    assert held(catalog).num_rows == 400


def test_a_table_made_by_others_keeps_its_partitioning(catalog: Catalog) -> None:
    schema = iceberg_schema(SCHEMA.set(0, pa.field("time", pa.timestamp("us", "UTC"))), "time")
    spec = PartitionSpec(
        PartitionField(1, 1000, HourTransform(), "time_hour"),
        PartitionField(2, 1001, BucketTransform(4), "host_bucket"),
        PartitionField(4, 1002, IdentityTransform(), "count"),
    )
    catalog.create_namespace("telemetry")
    catalog.create_table(TARGET.identifier, schema, partition_spec=spec)
    few = rows(day(0), 48).set_column(3, "count", pa.array([i % 2 if i % 5 else None for i in range(48)], pa.int64()))
    replace(catalog, day(0), few)
    assert replace(catalog, day(0), few).previous_rows == 48
    assert held(catalog).column("value").to_pylist() == [float(i) for i in range(48)]
    assert table(catalog).scan(row_filter="host = 'host-3'").to_arrow().num_rows == 7
    assert table(catalog).scan(row_filter="count is null").to_arrow().num_rows == 10
    assert len(table(catalog).spec().fields) == 3


def test_statistics_let_a_reader_skip_files(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    replace(catalog, day(1), rows(day(1), 10, value=1000))
    assert len(list(table(catalog).scan(row_filter="value > 500").plan_files())) == 1
    assert len(list(table(catalog).scan(row_filter="time < '2026-01-02T00:00:00+00:00'").plan_files())) == 1


def test_a_full_disk_is_reported_and_leaves_nothing(catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    before = set(lake_folder.rglob("*.parquet"))
    target = changed(TARGET, write=WriteOptions(target_file_size=1))

    def filling() -> Iterator[pa.RecordBatch]:
        yield rows(day(0), 300_000)
        raise OSError(28, "No space left on device")

    with pytest.raises(Exception, match="No space left") as raised:
        replace_window(load_of(catalog, target, Batches(SCHEMA, filling()), day(0), PROVENANCE))
    assert type(raised.value).__name__ == "StorageError"
    assert set(lake_folder.rglob("*.parquet")) == before


def test_a_stream_may_change_its_dictionaries(catalog: Catalog) -> None:
    schema = SCHEMA.set(1, pa.field("host", pa.dictionary(pa.int32(), pa.string())))
    parts = []
    for names in (["a", "b"], ["c", None], ["b", "z"]):
        plain = rows(day(0), 2)
        hosts = pa.array(names).dictionary_encode()
        parts.append(pa.record_batch([plain.column(0), hosts, plain.column(2), plain.column(3)], schema=schema))
    replace_window(load_of(catalog, TARGET, stream(*parts), day(0), PROVENANCE))
    assert sorted(str(host) for host in held(catalog).column("host").to_pylist()) == ["None", "a", "b", "b", "c", "z"]


def test_a_file_has_no_text_that_its_rows_do_not_have(catalog: Catalog, lake_folder: Path) -> None:
    hosts = pa.array(["only_here", "other", "nowhere"])
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 50, pa.int32()), hosts)
    target = changed(TARGET, partition=(parse_term("identity(host)"),))
    batch = rows(day(0), 100).set_column(1, "host", encoded)
    replace_window(load_of(catalog, target, stream(batch), day(0), PROVENANCE))
    having = [path.parent.name for path in lake_folder.rglob("*.parquet") if b"only_here" in path.read_bytes()]
    assert having == ["host=only_here"]
    assert not [path for path in lake_folder.rglob("*.parquet") if b"nowhere" in path.read_bytes()]
    assert held(catalog).group_by("host").aggregate([([], "count_all")])["count_all"].to_pylist() == [50, 50]
