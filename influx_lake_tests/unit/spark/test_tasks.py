"""What travels between driver and executors, and how a window is cut into tasks."""

from __future__ import annotations

import copy
import inspect
import itertools
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from influx_lake import errors
from influx_lake.config import LandingZoneConfig, Secret
from influx_lake.config.catalogs.options import CatalogConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError, LakeError, UnforeseenError
from influx_lake.iceberg.columns.timestamps import FineTimesMet
from influx_lake.spark.outcomes import Outcome, spark_errors, unpacked
from influx_lake.spark.serialization import received, shipped
from influx_lake.spark.slices import Spans, slices

DAY = Window(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))


def test_secrets_travel_as_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_KEY", "hunter2-hunter2")
    storage = {"s3.secret-access-key": Secret("${LAKE_KEY}"), "s3.access-key-id": "a"}
    given = {"type": "landing_zone", "path": "s3://b/{year}", "database": "d", "storage": storage}
    config = LandingZoneConfig.model_validate(given)
    catalog = CatalogConfig.of({"uri": "postgresql://lake:${LAKE_KEY}@db/lake"})
    config.storage_properties(), catalog.properties()
    shipment = shipped((config, catalog))
    assert b"hunter2" not in shipment
    monkeypatch.setenv("LAKE_KEY", "another-one")
    there, catalog_there = received(shipment)
    assert there.storage_properties()["s3.secret-access-key"] == "another-one"
    assert "another-one" in catalog_there.properties()["uri"]


def test_a_secret_that_is_written_in_a_lake_is_looked_up_there(tmp_path: Path) -> None:
    lake = tmp_path / "lake.yaml"
    lake.write_text("catalog: {credential: hunter2-hunter2}\n")
    secret = Secret("hunter2-hunter2", lake=lake, location=("catalog", "credential"))
    shipment = shipped(secret)
    assert b"hunter2" not in shipment
    assert received(shipment).reveal() == "hunter2-hunter2"
    assert copy.deepcopy(secret) == secret
    with pytest.raises(ConfigurationError, match="only a reference may be kept"):
        shipped(Secret("hunter2-hunter2"))


def test_every_error_arrives_as_it_was() -> None:
    kinds = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, LakeError)]
    for kind in (*kinds, FineTimesMet):
        error = kind.__new__(kind)
        error.args = ("it failed",)
        error.__dict__.update(message="it failed", remedy="mend it", measurement="cpu", window=None)

        def work(error: Exception = error) -> None:
            raise error

        with pytest.raises(kind) as caught:
            unpacked(Outcome.of(work).packed()).result()
        assert type(caught.value) is kind
        assert vars(caught.value) == vars(error)


def test_what_nobody_foresaw_is_reported_and_not_tried_again() -> None:
    with pytest.raises(UnforeseenError, match="ZeroDivisionError: "):
        unpacked(Outcome.of(lambda: 1 // 0).packed()).result()


def test_sparks_own_errors_are_a_sentence() -> None:
    class PythonException(Exception):
        pass

    PythonException.__module__ = "pyspark.errors"
    trace = "Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named 'y'\n"
    with pytest.raises(errors.EngineError) as caught, spark_errors("parse the files"):
        raise PythonException("\n  An exception was thrown\n" + trace + "\n\tat org.apache.spark\n\tat more")
    assert caught.value.message == (
        "Spark could not parse the files: ModuleNotFoundError: No module named 'y'; the table is unchanged"
    )
    assert "`archives`" in str(caught.value.remedy)


def spans(*rows: tuple[float, float, int]) -> Spans:
    begin = DAY.start_us * 1000
    hours = np.array(rows, np.float64).reshape(-1, 3)
    first, last = (begin + (hours[:, place] * 3.6e12).astype(np.int64) for place in (0, 1))
    return Spans(first, last, hours[:, 2].astype(np.int64))


def test_slices_hold_about_as_many_rows_and_cover_the_window() -> None:
    # Most rows are of the last hour.
    known = spans(
        *((n / 4, n / 4 + 0.1, 1_000) for n in range(92)), *((23 + n / 100, 23 + n / 100, 9_000) for n in range(90))
    )
    found = slices(DAY, known, 100_000, 1)
    assert (found[0].start, found[-1].end) == (DAY.start, DAY.end)
    assert all(one.end == other.start for one, other in itertools.pairwise(found))
    assert 9 <= len(found) <= 10
    counted = [int(known.within(part).rows.sum()) for part in found]
    assert max(counted) < 130_000


@pytest.mark.parametrize(
    ("known", "parallelism", "expected"),
    [
        (spans(), 8, 1),
        (spans((1, 2, 10_000)), 8, 1),
        (spans((1, 1, 10**9)), 8, 2),
        (spans(*((n, n + 1, 100_000) for n in range(20))), 4, 4),
        (spans((-5, -4, 10**9), (1, 2, 10)), 8, 1),
    ],
)
def test_small_windows_are_one_task_and_larger_ones_as_many_as_there_are_at_once(
    known: Spans, parallelism: int, expected: int
) -> None:
    assert len(slices(DAY, known, 10**8, parallelism)) == expected


def test_times_before_1970_are_cut_at_whole_microseconds() -> None:
    window = Window(datetime(1960, 1, 1, tzinfo=UTC), datetime(1960, 1, 2, tzinfo=UTC))
    begin = window.start_us * 1000
    first = np.array([begin + n * 10**12 + 7 for n in range(80)], np.int64)
    found = slices(window, Spans(first, first, np.full(80, 10**6, np.int64)), 10**6, 1)
    assert len(found) > 70
    assert pickle.loads(pickle.dumps(found)) == found
    assert found[0].end - found[0].start < timedelta(hours=1)
