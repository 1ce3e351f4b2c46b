"""Points that differ in nanoseconds only stay apart in every write mode, also from before their column was there."""

from __future__ import annotations

import pytest

from influx_lake.config import WriteMode, WriteOptions
from influx_lake_tests.integration.typed_lake import START_NS, TypedLake, measurement


@pytest.mark.slow
@pytest.mark.parametrize("merging", [False, True])
def test_an_upsert_meets_its_first_fine_time(typed_lake: TypedLake, merging: bool) -> None:
    upserting = measurement(write=WriteOptions(mode=WriteMode.UPSERT, merge_fields=merging))
    typed_lake.write(*(f"cpu,host=a value={i} {START_NS + i * 1000}" for i in range(5)))
    typed_lake.load(upserting)
    typed_lake.write(f"cpu,host=a value=9 {START_NS + 1}", f"cpu,host=a value=7 {START_NS + 1000}")
    for _ in range(2):
        result = typed_lake.load(upserting)
        assert (result.rows, len(typed_lake.rows(upserting))) == (6, 6)
    values = {row["time_ns"]: row["value"] for row in typed_lake.rows(upserting)}
    assert values == {START_NS: 0, START_NS + 1: 9, START_NS + 1000: 7, **{START_NS + i * 1000: i for i in (2, 3, 4)}}


def test_an_append_meets_its_first_fine_time(typed_lake: TypedLake) -> None:
    appending = measurement(write=WriteOptions(mode=WriteMode.APPEND))
    typed_lake.write(f"cpu,host=a value=1 {START_NS}", f"cpu,host=a value=2 {START_NS + 1}")
    for _ in range(2):
        assert typed_lake.load(appending).rows == 2
    assert [row["time_ns"] for row in typed_lake.rows(appending)] == [START_NS, START_NS + 1]
