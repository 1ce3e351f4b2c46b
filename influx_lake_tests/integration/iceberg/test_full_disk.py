"""A disk that really is full: a file system of a few megabytes."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from influx_lake.errors import StorageError
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake_tests.unit.iceberg.tables import day, held, hours, replace, rows

pytestmark = pytest.mark.servers


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def incompressible(batch: pa.RecordBatch) -> pa.RecordBatch:
    dice = random.Random(4711)
    return batch.set_column(2, "value", pa.array([dice.random() for _ in range(len(batch))]))


def test_the_window_fails_and_the_table_stays(tmp_path: Path, small_disk: Path) -> None:
    catalog = open_catalog(
        "lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": str(small_disk)}
    )
    replace(catalog, day(0), rows(day(0), 1000))
    before, files = held(catalog), set(small_disk.rglob("*.parquet"))
    pieces = [incompressible(rows(hours(0, hour, hour + 1), 100_000)) for hour in range(4)]
    with pytest.raises(StorageError, match="No space left") as raised:
        replace(catalog, day(0), *pieces)
    assert "Free space" in str(raised.value)
    assert held(catalog) == before
    assert set(small_disk.rglob("*.parquet")) == files
    assert replace(catalog, day(0), rows(day(0), 2000)).last_time == day(0).end - timedelta(seconds=43.2)
