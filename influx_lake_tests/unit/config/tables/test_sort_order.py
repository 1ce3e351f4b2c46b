"""Sort orders as lake.yaml writes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.config import Lake
from influx_lake.config.tables.sort_order import SortTerm, parse_sort_term


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("host", SortTerm("host")),
        (" host  ASC ", SortTerm("host")),
        ("time desc", SortTerm("time", descending=True)),
        ("host name", SortTerm("host name")),
        ("host.name Desc", SortTerm("host.name", descending=True)),
        ("sort desc asc", SortTerm("sort desc")),
        ("description", SortTerm("description")),
    ],
)
def test_a_term(text: str, term: SortTerm) -> None:
    assert parse_sort_term(text) == term
    assert parse_sort_term(str(term)) == term


def test_in_a_lake(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of(
        """
        defaults: {write: {sort_by: [host, time desc], compression: zstd}}
        measurements:
          cpu:
          mem: {write: {sort_by: none}}
          disk: {write: {sort_by: [time]}}
        """
    )
    assert {measurement.name: measurement.write.sort_by for measurement in lake.measurements} == {
        "cpu": (SortTerm("host"), SortTerm("time", descending=True)),
        "mem": (),
        "disk": (SortTerm("time"),),
    }


def test_defaults(lake_of: Callable[[str], Lake]) -> None:
    assert lake_of("measurements: {cpu: }").measurements[0].write.sort_by is None


def test_mistakes_have_lines(mistakes_of: Callable[..., list[str]]) -> None:
    mistakes = mistakes_of(
        """\
        measurements:
          cpu:
            write:
              sort_by:
                - host
                - desc
          mem: {write: {sort_by: host}}
          disk: {write: {sort_by: [host, host desc]}}
        """
    )
    assert mistakes == [
        "lake.yaml:7: measurements.cpu.write.sort_by[1]: 'desc' is not something to sort by: write a column, or a "
        "column and desc, such as time desc",
        "lake.yaml:8: measurements.mem.write.sort_by: 'host' is not a sort order: write a list such as "
        "[host, time desc], or none",
        "lake.yaml:9: measurements.disk.write.sort_by: names the column host twice: rows that are sorted by it once "
        "are sorted",
    ]
