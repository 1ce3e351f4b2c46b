"""Table properties as lake.yaml states them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.config import Lake
from influx_lake.config.tables.table_properties import key_problem, value_problem


def test_values_are_texts_as_iceberg_writes_them(
    lake_of: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGES", "4096")
    lake = lake_of(
        """
        defaults: {table_properties: {write.parquet.page-row-limit: 500, team: platform}}
        measurements:
          cpu:
            table_properties:
              write.parquet.page-size-bytes: ${PAGES}
              write.object-storage.enabled: true
              write.parquet.bloom-filter-fpp.column.host: 0.05
              team: metrics
        """
    )
    assert lake.measurements[0].table_properties == {
        "write.parquet.page-row-limit": "500",
        "write.parquet.page-size-bytes": "4096",
        "write.object-storage.enabled": "true",
        "write.parquet.bloom-filter-fpp.column.host": "0.05",
        "team": "metrics",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format-version", "2"),
        ("write.format.default", "PARQUET"),
        ("write.parquet.compression-codec", "LZ4_RAW"),
        ("write.metadata.metrics.default", "Truncate(8)"),
        ("write.metadata.metrics.column.time", "full"),
        ("write.data.path", "s3://bucket/data"),
        ("write.metadata.path", "/data/metadata"),
        ("commit.manifest-merge.enabled", "false"),
        # For other engines.
        ("write.delete.mode", "merge-on-read"),
        ("write.distribution-mode", "hash"),
        ("write.spark.accept-any-schema", "true"),
        ("write.wap.enabled", "true"),
        ("history.expire.max-snapshot-age-ms", "1"),
        ("commit.retry.num-retries", "2"),
        ("read.split.target-size", "1"),
        ("engine.hive.enabled", "true"),
        ("comment", "ours"),
        ("schema.name-mapping.default", "[]"),
    ],
)
def test_accepted(key: str, value: str) -> None:
    assert key_problem(key) is None
    assert value_problem(key, value) is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("write.parquet.page-version", "honours (did you mean"),
        ("write.parquet.page-size", "(did you mean write.parquet.page-size-bytes?)"),
        ("write.parquet.row-group-check-min-record-count", "is no property that the lake's writer honours"),
        ("write.parquet.bloom-filter-enabled.column.", "is no property that the lake's writer honours"),
        ("write.parqet.page-size-bytes", "is no property of Iceberg (did you mean write.parquet.page-size-bytes?)"),
        ("commit.manifest-merge.enable", "(did you mean commit.manifest-merge.enabled?)"),
        ("write.metadata.metrics.defaults", "(did you mean write.metadata.metrics.default?)"),
        ("write.object-storage.path", "write write.data.path"),
        ("encryption.key-id", "does not encrypt"),
        ("influx-lake.coverage", "belongs to the lake itself"),
        ("current-snapshot-id", "is what a table has"),
    ],
)
def test_refused_keys(key: str, reason: str) -> None:
    assert reason in (key_problem(key) or "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format-version", "3"),
        ("write.format.default", "orc"),
        ("write.parquet.compression-codec", "lzo"),
        ("write.parquet.page-size-bytes", "1MB"),
        ("write.parquet.page-row-limit", "0"),
        ("write.parquet.dict-size-bytes", "-1"),
        ("write.parquet.bloom-filter-max-bytes", "8"),
        ("write.parquet.bloom-filter-fpp.column.host", "1"),
        ("write.parquet.bloom-filter-fpp.column.host", "few"),
        ("write.metadata.metrics.default", "truncate(0)"),
        ("write.metadata.metrics.column.host", "all"),
        ("write.data.path", "data"),
        ("write.metadata.delete-after-commit.enabled", "yes"),
    ],
)
def test_refused_values(key: str, value: str) -> None:
    assert value_problem(key, value)


def test_mistakes_have_lines(mistakes_of: Callable[..., list[str]]) -> None:
    mistakes = mistakes_of(
        """\
        defaults:
          table_properties:
            write.parquet.page-sise-bytes: 1
        measurements:
          cpu:
            table_properties:
              write.parquet.page-row-limit: many
              write.metadata.metrics.column.time: none
              format-version: 3
              nothing:
              deep: {er: 1}
          mem:
            write: {bloom_filter: [""], row_group_size: 0}
        """
    )
    assert mistakes == [
        "lake.yaml:4: defaults.table_properties.write.parquet.page-sise-bytes: 'write.parquet.page-sise-bytes' is no "
        "property that the lake's writer honours (did you mean write.parquet.page-size-bytes?)",
        "lake.yaml:8: measurements.cpu.table_properties.write.parquet.page-row-limit: 'many' is not a whole number of "
        "1 or more",
        "lake.yaml:9: measurements.cpu.table_properties.write.metadata.metrics.column.time: 'none' is too little: the "
        "lake finds the files of a window by the bounds of their time, which are `full`",
        "lake.yaml:10: measurements.cpu.table_properties.format-version: cannot be honoured: pyiceberg writes no "
        "tables of format version 3 yet. `nanoseconds: keep` holds times whole in a column of their own",
        "lake.yaml:11: measurements.cpu.table_properties.nothing: has no value: give one, or leave the option out",
        "lake.yaml:12: measurements.cpu.table_properties.deep: must be a text, not a mapping",
        "lake.yaml:14: measurements.mem.write.bloom_filter[0]: is empty: give it a value, or leave the option out",
        "lake.yaml:14: measurements.mem.write.row_group_size: '0' is less than 1",
    ]


def test_contradictions_have_lines(mistakes_of: Callable[..., list[str]]) -> None:
    mistakes = mistakes_of(
        """\
        measurements:
          codec:
            write: {compression: snappy}
            table_properties: {write.parquet.compression-codec: gzip}
          size:
            write: {target_file_size: 64MB}
            table_properties: {write.target-file-size-bytes: 1000}
          rows:
            write: {row_group_size: 10}
            table_properties:
              write.parquet.row-group-limit: 20
          filter:
            write: {bloom_filter: [host]}
            table_properties: {write.parquet.bloom-filter-enabled.column.host: false}
          level:
            table_properties:
              write.parquet.compression-codec: gzip
              write.parquet.compression-level: 19
        """
    )
    assert mistakes == [
        "lake.yaml:5: measurements.codec.table_properties.write.parquet.compression-codec: says gzip, and "
        "write.compression says snappy: state it once",
        "lake.yaml:8: measurements.size.table_properties.write.target-file-size-bytes: says 1000, and "
        "write.target_file_size says 64000000: state it once",
        "lake.yaml:12: measurements.rows.table_properties.write.parquet.row-group-limit: says 20, and "
        "write.row_group_size says 10: state it once",
        "lake.yaml:15: measurements.filter.table_properties.write.parquet.bloom-filter-enabled.column.host: says "
        "false, and write.bloom_filter names host: state it once",
        "lake.yaml:19: measurements.level.table_properties.write.parquet.compression-level: 19 is not a "
        "compression_level of gzip, which has 1 to 9",
    ]


def test_a_contradiction_among_defaults_is_reported_there(mistakes_of: Callable[..., list[str]]) -> None:
    mistakes = mistakes_of(
        """\
        defaults:
          write: {compression: snappy}
          table_properties:
            write.parquet.compression-codec: gzip
        measurements: {cpu: , mem: }
        """
    )
    assert mistakes == [
        "lake.yaml:5: defaults.table_properties.write.parquet.compression-codec: says gzip, and write.compression "
        "says snappy: state it once"
    ]


def test_the_same_said_twice_is_no_contradiction(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of(
        """
        defaults: {write: {compression: none, row_group_size: 10, bloom_filter: [host]}}
        measurements:
          cpu:
            table_properties:
              write.parquet.compression-codec: UNCOMPRESSED
              write.parquet.row-group-limit: 10
              write.parquet.bloom-filter-enabled.column.host: true
        """
    )
    assert lake.measurements[0].write.bloom_filter == ("host",)
