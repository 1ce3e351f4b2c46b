"""Partition fields as lake.yaml writes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.config import Lake
from influx_lake.config.tables.table_layout import PartitionTerm, parse_term


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("host", PartitionTerm("identity", "host")),
        ("identity(host name)", PartitionTerm("identity", "host name")),
        ("bucket(16, host)", PartitionTerm("bucket", "host", 16)),
        ("truncate( 4 ,host)", PartitionTerm("truncate", "host", 4)),
        ("Day(time)", PartitionTerm("day", "time")),
        ("bucket(2, a, b)", PartitionTerm("bucket", "a, b", 2)),
    ],
)
def test_a_field(text: str, term: PartitionTerm) -> None:
    assert parse_term(text) == term
    assert parse_term(str(term)) == term


@pytest.mark.parametrize(
    "text", ["", "bucket(host)", "bucket(0, host)", "bucket(16)", "dya(time)", "day()", "day(time", "host)"]
)
def test_not_a_field(text: str) -> None:
    with pytest.raises(ValueError, match="is not a partition field"):
        parse_term(text)


def test_in_a_lake(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of(
        """
        defaults: {iceberg_partition: [month(time), "bucket(16, host)"]}
        measurements:
          cpu:
          mem: {iceberg_partition: none}
          disk: {iceberg_partition: table_default}
        """
    )
    found = {measurement.name: measurement.iceberg_partition for measurement in lake.measurements}
    assert found == {
        "cpu": (PartitionTerm("month", "time"), PartitionTerm("bucket", "host", 16)),
        "mem": (),
        "disk": None,
    }


def test_defaults(lake_of: Callable[[str], Lake]) -> None:
    assert lake_of("measurements: {cpu: }").measurements[0].iceberg_partition is None


def test_mistakes_have_lines(mistakes_of: Callable[..., list[str]]) -> None:
    mistakes = mistakes_of(
        """\
        measurements:
          cpu:
            iceberg_partition:
              - day(time)
              - buckt(16, host)
          mem: {iceberg_partition: daily}
          disk: {iceberg_partition: [day(time), hour(time)]}
        """
    )
    assert mistakes == [
        "lake.yaml:6: measurements.cpu.iceberg_partition[1]: 'buckt(16, host)' is not a partition field: buckt is none "
        "of identity, year, month, day, hour, bucket, truncate (did you mean bucket?)",
        "lake.yaml:7: measurements.mem.iceberg_partition: 'daily' is not a partitioning: write a list such as "
        "[day(time)], none or table_default",
        "lake.yaml:8: measurements.disk.iceberg_partition: has two fields of the column time, day(time) and "
        "hour(time), and pyiceberg writes tables with one field per column only: keep one of them",
    ]
