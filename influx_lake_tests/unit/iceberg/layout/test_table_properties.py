"""Table properties: seen in files and metadata, set on tables that are there, asked of tables that others made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from influx_lake.config import Compression, WriteOptions
from influx_lake.errors import CatalogRefused, SchemaConflict
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.columns.schema import iceberg_schema
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.tables import (
    PROVENANCE,
    SCHEMA,
    TARGET,
    Batches,
    day,
    held,
    hours,
    replace,
    rows,
    stream,
    table,
)
from testbed.loads import load_of

CODEC, LEVEL = "write.parquet.compression-codec", "write.parquet.compression-level"
ROWS, BYTES = "write.parquet.row-group-limit", "write.parquet.row-group-size-bytes"


def having(properties: dict[str, str], **write: object) -> TableTarget:
    return changed(TARGET, properties=properties, write=WriteOptions.model_validate(write))


def made_by_others(catalog: Catalog, **properties: str) -> None:
    schema = iceberg_schema(SCHEMA.set(0, pa.field("time", pa.timestamp("us", "UTC"))), "time")
    catalog.create_namespace("telemetry")
    catalog.create_table(TARGET.identifier, schema, properties=properties)


def footers(catalog: Catalog) -> list[pq.FileMetaData]:
    return [pq.read_metadata(path) for path in paths(catalog)]


def paths(catalog: Catalog) -> list[str]:
    return [task.file.file_path.removeprefix("file://") for task in table(catalog).scan().plan_files()]


def group_rows(catalog: Catalog) -> list[int]:
    (footer,) = footers(catalog)
    return [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]


def pages(catalog: Catalog, column: int) -> int:
    """How many data pages the first row group has for a column."""
    (path,) = paths(catalog)
    (footer,) = footers(catalog)
    return count_pages(path, footer.row_group(0).column(column))


def count_pages(path: str, chunk: pq.ColumnChunkMetaData) -> int:
    """Walk the page headers of a column chunk (Thrift's compact protocol)."""
    start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    data = Path(path).read_bytes()[start : start + chunk.total_compressed_size]
    position = count = 0
    while position < len(data):
        kind, size, position = page_header(data, position)
        position += size
        count += kind != 2
    return count


def page_header(data: bytes, position: int) -> tuple[int, int, int]:
    """The type, the compressed size and the end of a page header."""

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    def skip_struct() -> dict[int, int]:
        nonlocal position
        found, number = {}, 0
        while data[position]:
            head = data[position]
            position += 1
            number = number + (head >> 4) if head >> 4 else varint()
            if head & 15 in (5, 6):
                found[number] = varint()
            elif head & 15 == 8:
                length = data[position]
                position += 1 + length
            elif head & 15 == 12:
                skip_struct()
            else:
                assert head & 15 in (1, 2)
        position += 1
        return found

    fields = skip_struct()
    return fields[1], fields[3], position


def test_row_groups_have_the_rows_that_are_requested(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 5000), target=having({}, row_group_size=700))
    assert group_rows(catalog) == [700] * 7 + [100]
    assert table(catalog).properties[ROWS] == "700"
    replace(catalog, day(0), rows(day(0), 5000), target=having({ROWS: "2000"}))
    assert group_rows(catalog) == [2000, 2000, 1000]
    replace(catalog, day(0), rows(day(0), 5000))
    assert group_rows(catalog) == [2000, 2000, 1000]


@pytest.mark.slow
def test_large_row_groups(catalog: Catalog) -> None:
    def many() -> Iterator[pa.RecordBatch]:
        yield from (rows(day(0), 100_000) for _ in range(12))

    for target, expected in (
        (having({}, row_group_size=1_100_000), [1_100_000, 100_000]),
        (having({ROWS: "1100000", BYTES: str(16 * 2**20)}), None),
    ):
        replace_window(load_of(catalog, target, Batches(SCHEMA, many()), day(0), PROVENANCE))
        found = group_rows(catalog)
        assert sum(found) == 1_200_000
        assert found == expected if expected else max(found) < 600_000


def test_pages(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10_000))
    assert pages(catalog, 2) == 1
    replace(catalog, day(0), rows(day(0), 10_000), target=having({"write.parquet.page-row-limit": "1000"}))
    assert pages(catalog, 2) == 10
    size = {"write.parquet.page-row-limit": "20000", "write.parquet.page-size-bytes": "20000"}
    replace(catalog, day(0), rows(day(0), 10_000), target=having(size))
    assert 3 <= pages(catalog, 2) <= 6


def test_a_small_dictionary_is_given_up(catalog: Catalog) -> None:
    names = pa.array([f"a host with a long name {i % 500}" for i in range(10_000)])
    batch = rows(day(0), 10_000).set_column(1, "host", names)
    sizes = []
    for properties in ({}, {"write.parquet.dict-size-bytes": "1000"}):
        replace(catalog, day(0), batch, target=having(properties))
        sizes.append(footers(catalog)[0].row_group(0).column(1).total_uncompressed_size)
    assert sizes[1] > 5 * sizes[0]


def test_where_data_and_metadata_lie(catalog: Catalog, tmp_path: Path) -> None:
    data, metadata = tmp_path / "elsewhere" / "data", tmp_path / "elsewhere" / "metadata"
    target = having({"write.data.path": str(data), "write.metadata.path": f"file://{metadata}"})
    replace(catalog, day(0), rows(day(0), 10), target=target)
    replace(catalog, day(0), rows(day(0), 10), target=target)
    assert all(Path(path).is_relative_to(data) for path in paths(catalog))
    assert table(catalog).metadata_location.startswith(f"file://{metadata}/")
    snapshot = table(catalog).current_snapshot()
    assert snapshot is not None
    assert snapshot.manifest_list.startswith(f"file://{metadata}/")
    assert not list((tmp_path / "lake" / "warehouse").rglob("*.*"))


def test_object_storage_paths(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10), target=having({"write.object-storage.enabled": "true"}))
    assert "time_day=" in paths(catalog)[0]
    plain = having({"write.object-storage.partitioned-paths": "false"})
    replace(catalog, day(0), rows(day(0), 10), target=plain)
    assert "time_day=" not in paths(catalog)[0]
    assert held(catalog).num_rows == 10


def test_how_many_metadata_files_stay(catalog: Catalog, lake_folder: Path) -> None:
    few = having({"write.metadata.previous-versions-max": "2"})
    for number in range(6):
        replace(catalog, day(number), rows(day(number), 10), target=few)
    assert len(list(lake_folder.rglob("*.metadata.json"))) == 3
    kept = having({"write.metadata.delete-after-commit.enabled": "false"})
    for number in range(6):
        replace(catalog, day(number), rows(day(number), 10), target=kept)
    assert len(list(lake_folder.rglob("*.metadata.json"))) > 6


def test_when_manifests_are_merged(catalog: Catalog) -> None:
    def manifests() -> int:
        snapshot = table(catalog).current_snapshot()
        assert snapshot is not None
        return len(snapshot.manifests(table(catalog).io))

    apart = having({"commit.manifest-merge.enabled": "false", "commit.manifest.min-count-to-merge": "2"})
    for number in range(4):
        replace(catalog, day(number), rows(day(number), 10), target=apart)
    assert manifests() == 4
    replace(catalog, day(4), rows(day(4), 10), target=having({"commit.manifest-merge.enabled": "true"}))
    assert manifests() == 1


def test_partitions_in_the_summary(catalog: Catalog) -> None:
    commit = replace(catalog, day(0), rows(day(0), 10), target=having({"write.summary.partition-limit": "5"}))
    snapshot = commit.table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert any(key.startswith("partitions.time_day=") for key in snapshot.summary.additional_properties)


def test_a_table_that_exists_gets_what_is_stated_and_keeps_the_rest(catalog: Catalog) -> None:
    made_by_others(catalog, owner="somebody", **{"write.delete.mode": "merge-on-read", "read.split.target-size": "7"})
    before = dict(table(catalog).properties)
    replace(catalog, day(0), rows(day(0), 10))
    assert before.items() <= table(catalog).properties.items()
    assert all(key.startswith("influx-lake.") for key in table(catalog).properties.keys() - before)
    stated = {"read.split.target-size": "8", "history.expire.min-snapshots-to-keep": "3", "team": "platform"}
    replace(catalog, day(0), rows(day(0), 10), target=having(stated))
    after = table(catalog)
    assert {**before, **stated}.items() <= after.properties.items()
    versions = len(after.metadata.metadata_log)
    replace(catalog, day(1), rows(day(1), 10), target=having(stated))
    assert len(table(catalog).metadata.metadata_log) == versions + 1
    replace(catalog, day(1), rows(day(1), 10))
    assert stated.items() <= table(catalog).properties.items()


def test_a_new_table_is_made_with_them_in_one_commit(catalog: Catalog) -> None:
    commit = replace(catalog, day(0), rows(day(0), 10), target=having({"team": "platform", "format-version": "2"}))
    assert commit.table.properties["team"] == "platform"
    assert commit.table.format_version == 2
    assert len(commit.table.metadata.metadata_log) == 1


def test_the_codec_is_the_tables_where_none_is_stated(catalog: Catalog) -> None:
    made_by_others(catalog, **{CODEC: "GZIP", LEVEL: "9", "write.target-file-size-bytes": "100000"})

    def codec(target: TableTarget = TARGET) -> str:
        replace(catalog, day(0), rows(day(0), 5000), target=target)
        return str(footers(catalog)[0].row_group(0).column(0).compression)

    assert codec() == "GZIP"
    assert codec(having({}, compression="snappy")) == "SNAPPY"
    # A level is the codec's that it is stated beside.
    assert codec(having({}, compression_level=19)) == "ZSTD"
    assert table(catalog).properties[CODEC] == "GZIP"
    assert codec(having({CODEC: "zstd", LEVEL: "3"})) == "ZSTD"
    assert codec() == "ZSTD"


def test_the_file_size_is_the_tables_where_none_is_stated(catalog: Catalog) -> None:
    made_by_others(catalog, **{"write.target-file-size-bytes": "20000", ROWS: "2000"})
    assert replace(catalog, day(0), rows(day(0), 50_000)).files_added > 1
    large = having({}, target_file_size=10**9)
    assert replace(catalog, day(0), rows(day(0), 50_000), target=large).files_added == 1


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({CODEC: "lzo"}, "compression-codec of telemetry.cpu cannot be honoured: 'lzo' is not one of"),
        ({CODEC: "snappy", LEVEL: "3"}, "compression-level .*: 3 is no level of snappy"),
        ({"write.parquet.page-size-bytes": "1MB"}, "page-size-bytes .*: '1MB' is not a whole number"),
        ({"write.metadata.metrics.default": "all"}, "metrics.default .*: 'all' is not one of none, counts"),
        ({"write.format.default": "orc"}, "format.default .*: 'orc' cannot be honoured: the lake writes Parquet"),
    ],
)
def test_what_a_table_says_that_cannot_be_done(catalog: Catalog, wrong: dict[str, str], reason: str) -> None:
    made_by_others(catalog, **wrong)
    with pytest.raises(CatalogRefused, match=reason):
        replace(catalog, day(0), rows(day(0), 10))
    assert table(catalog).current_snapshot() is None
    replace(catalog, day(0), rows(day(0), 10), target=having(RIGHT, compression="zstd"))
    assert table(catalog).current_snapshot() is not None


RIGHT = {
    "write.parquet.page-size-bytes": "10000",
    "write.metadata.metrics.default": "counts",
    "write.format.default": "parquet",
}


def test_format_versions(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by_others(catalog, **{"format-version": "1"})
    replace(catalog, day(0), rows(day(0), 10))
    assert table(catalog).format_version == 1
    replace(catalog, day(0), rows(day(0), 10), target=having({"format-version": "2"}))
    assert table(catalog).format_version == 2
    # pyiceberg reads tables of version 3 and writes none.
    monkeypatch.setattr(Table, "format_version", property(lambda table: 3))
    with pytest.raises(SchemaConflict, match="has format version 3, and format-version says 2"):
        replace(catalog, day(0), rows(day(0), 10), target=having({"format-version": "2"}))


def test_a_property_commit_that_lost_the_race_is_tried_again(
    catalog: Catalog, properties: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    commit = catalog.commit_table
    races = iter(range(3))

    def raced(*arguments: Any) -> Any:
        if (race := next(races, None)) is None:
            return commit(*arguments)
        with open_catalog("lake", properties).load_table(TARGET.identifier).transaction() as other:
            other.set_properties({"team": "theirs", f"other-{race}": "here"})
        raise CommitFailedException("another writer was first")

    monkeypatch.setattr(catalog, "commit_table", raced)
    replace(catalog, day(0), rows(day(0), 10), target=having({"team": "platform"}))
    expected = {"team": "platform", "other-0": "here", "other-1": "here", "other-2": "here"}
    assert expected.items() <= table(catalog).properties.items()


@pytest.mark.slow
def test_processes_that_set_them_at_once(catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    program = "influx_lake_tests.unit.iceberg.layout.stating_writer"
    running = [
        subprocess.Popen(
            [sys.executable, "-m", program, str(lake_folder), str(number)], stderr=subprocess.PIPE, text=True
        )
        for number in range(1, 5)
    ]
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    found = table(catalog).properties
    assert {f"own-{number}": str(number) for number in range(1, 5)}.items() <= found.items()
    assert found["common"] == "same"
    assert held(catalog).num_rows == 50


def test_rows_that_are_kept_are_written_as_stated(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 2400))
    target = having({}, row_group_size=500, compression=Compression.SNAPPY)
    replace_window(load_of(catalog, target, stream(), hours(0, 0, 12), PROVENANCE))
    assert group_rows(catalog) == [500, 500, 200]
    assert footers(catalog)[0].row_group(0).column(0).compression == "SNAPPY"


def test_the_metadata_holds_texts(catalog: Catalog) -> None:
    commit = replace(catalog, day(0), rows(day(0), 10), target=having({"write.parquet.page-row-limit": "1000"}))
    written = json.loads(Path(commit.table.metadata_location.removeprefix("file://")).read_text())
    assert written["properties"]["write.parquet.page-row-limit"] == "1000"
