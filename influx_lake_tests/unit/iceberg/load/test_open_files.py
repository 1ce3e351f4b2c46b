"""A load that fails has closed its files, however long its error is held: its traceback holds generators, too."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import replace as changed
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import WriteOptions
from influx_lake.errors import DataRefused, StorageError
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, SCHEMA, TARGET, Batches, day, rows, stream
from testbed.loads import CheckedBy, load_of


@pytest.fixture(autouse=True)
def _no_garbage_is_collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def open_files() -> list[str]:
    """The Parquet files that this process has open."""
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return [name for link in links if link.is_symlink() and ".parquet" in (name := os.readlink(link))]


def points(*hosts_and_cores: tuple[str, str]) -> pa.RecordBatch:
    """Points of one time."""
    times = pa.array([day(0).start_us * 1000] * len(hosts_and_cores), pa.timestamp("ns"))
    hosts, cores = (pa.array(values) for values in zip(*hosts_and_cores, strict=True))
    return pa.record_batch([times, hosts, cores, pa.array([1.0] * len(times))], ["time", "host", "core", "value"])


@pytest.mark.parametrize(
    ("load", "guard"), [(upsert_window, CheckedBy()), (replace_window, CheckedBy(keeps=lambda rows, previous: True))]
)
def test_a_key_that_takes_points_for_one(catalog: Catalog, load: Callable[..., object], guard: CheckedBy) -> None:
    by_both = changed(TARGET, key=("host", "core"), tags=("host", "core"))
    upsert_window(load_of(catalog, by_both, stream(points(("a", "0"), ("b", "0"))), day(0), PROVENANCE))
    target, coming = changed(by_both, key=("host",)), stream(points(("a", "0"), ("a", "1")))

    with pytest.raises(DataRefused, match="does not tell points of the source apart") as raised:
        load(load_of(catalog, target, coming, day(0), PROVENANCE, guard=guard))

    assert raised.value
    assert open_files() == []


def test_a_window_that_breaks_off_while_files_are_closed(catalog: Catalog) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield rows(day(0), 300_000)
        raise OSError(5, "Input/output error")

    target = changed(TARGET, write=WriteOptions(target_file_size=1))
    with pytest.raises(StorageError) as raised:
        replace_window(load_of(catalog, target, Batches(SCHEMA, breaking()), day(0), PROVENANCE))

    assert raised.value
    assert open_files() == []
