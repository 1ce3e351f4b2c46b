"""Reading through failures: what arrives is all of it, once, or an error."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.values.read_options import ReadingOptions, RetryOptions
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import (
    AuthenticationFailed,
    FileLimitExceeded,
    LakeError,
    RowsMissing,
    SourceTimeout,
    SourceUnavailable,
    StreamBroken,
    TransientSourceError,
    WindowInterrupted,
)
from influx_lake.sources.protocol import RowStream
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.backoff import Backoff, retried
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.unit.replication.fake_source import FakeSource, Stream
from influx_lake_tests.unit.replication.loading import day, exact, load

QUICK = RetryOptions(
    budget=timedelta(seconds=20), first_wait=timedelta(milliseconds=1), longest_wait=timedelta(milliseconds=2)
)


@dataclass
class FlakySource(FakeSource):
    """Fails as a test says.

    Attributes:
        opening: Raises what happens when a window is asked for.
        amid: Raises what happens before a batch is handed out; told which batch of the stream it is.
        lost: How many of the last batches a stream leaves out without an error.
    """

    opening: Callable[[Window], None] = lambda window: None
    amid: Callable[[int], None] = lambda batch: None
    lost: Callable[[], int] = lambda: 0
    running: int = 0
    most_running: int = 0
    counted: list[Window] = field(default_factory=list)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            self.opening(window)
            with super().read(schema, window) as rows:
                batches = list(rows)
                kept = batches[: len(batches) - self.lost()] if batches else []
                yield Stream(rows.schema, self._failing(kept))
        finally:
            self.running -= 1

    def count(self, measurement: str, window: Window) -> int:
        self.counted.append(window)
        return super().count(measurement, window)

    def _failing(self, batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches):
            self.amid(number)
            yield batch


def reliable(source: FakeSource, retry: RetryOptions = QUICK, **options: object) -> ReliableSource:
    return ReliableSource(source, ReadingOptions.model_validate({"retry": retry, **options}), ServerLimits())


def times(count: int, error: Callable[[], LakeError]) -> Callable[..., None]:
    """Raises the error for the first `count` calls."""
    left = [count]

    def call(*_: object) -> None:
        if left[0]:
            left[0] -= 1
            raise error()

    return call


@pytest.fixture
def flaky() -> FlakySource:
    source = FlakySource()
    source.put(day(0), 1000)
    return source


def test_a_server_that_is_back_in_time_is_not_noticed(flaky: FlakySource, catalog: Catalog) -> None:
    flaky.opening = times(5, lambda: SourceUnavailable("down"))
    assert load(reliable(flaky), catalog, day(0)).rows == 1000
    assert exact(flaky, catalog)


def test_what_cannot_pass_is_not_tried_again(flaky: FlakySource) -> None:
    flaky.opening = times(1, lambda: AuthenticationFailed("no"))
    source = reliable(flaky)
    with pytest.raises(AuthenticationFailed), source.read(source.schema("cpu"), day(0)):
        pass
    assert flaky.most_running == 1


def test_a_stream_that_breaks_is_begun_again_and_passes_each_row_on_once(flaky: FlakySource, catalog: Catalog) -> None:
    broken = iter([False, False, True, False, False, True, True])

    def break_sometimes(_: int) -> None:
        if next(broken, False):
            raise StreamBroken("cut")

    flaky.amid = break_sometimes
    assert load(reliable(flaky), catalog, day(0)).rows == 1000
    assert exact(flaky, catalog)


def test_after_a_break_rows_are_passed_on_only_when_a_piece_is_whole(flaky: FlakySource) -> None:
    source = reliable(flaky)
    flaky.amid = lambda batch: times(1, lambda: StreamBroken("cut"))() if batch == 3 else None
    with pytest.raises(WindowInterrupted), source.read(source.schema("cpu"), day(0)) as rows:
        list(rows)
    flaky.amid = times(3, lambda: StreamBroken("cut again"))
    with source.read(source.schema("cpu"), day(0)) as rows:
        assert sum(map(len, rows)) == 1000
    assert len(flaky.asked) > 8, "read in shorter pieces"


def test_a_window_too_large_for_the_server_is_split_and_the_size_kept(flaky: FlakySource, catalog: Catalog) -> None:
    def at_most_three_hours(window: Window) -> None:
        if window.end - window.start > timedelta(hours=3):
            raise FileLimitExceeded("too many files")

    flaky.opening = at_most_three_hours
    source = reliable(flaky)
    assert load(source, catalog, day(0)).rows == 1000
    asked = len(flaky.asked)
    flaky.put(day(1), 10)
    load(source, catalog, day(1))
    assert len(flaky.asked) - asked == 8, "the second day is read in pieces that work, with no failed query"
    assert exact(flaky, catalog)


def test_a_window_is_not_split_for_ever(flaky: FlakySource, catalog: Catalog) -> None:
    flaky.opening = times(10**6, lambda: FileLimitExceeded("too many files"))
    with pytest.raises(FileLimitExceeded):
        load(reliable(flaky, shortest_query=timedelta(hours=1)), catalog, day(0))


def test_a_time_out_is_split_until_the_floor_and_then_waited_for(flaky: FlakySource, catalog: Catalog) -> None:
    flaky.opening = times(10, lambda: SourceTimeout("slow"))
    assert load(reliable(flaky, shortest_query=timedelta(hours=1)), catalog, day(0)).rows == 1000
    assert exact(flaky, catalog)


def test_rows_that_got_lost_without_an_error_are_read_again(flaky: FlakySource, catalog: Catalog) -> None:
    lost = iter([2, 1, 1])
    flaky.lost = lambda: next(lost, 0)
    assert load(reliable(flaky), catalog, day(0)).rows == 1000
    assert exact(flaky, catalog)


def test_rows_that_stay_lost_fail_the_window(flaky: FlakySource, catalog: Catalog) -> None:
    flaky.lost = lambda: 1
    with pytest.raises(RowsMissing, match=r"rows arrived .* but the server has"):
        load(reliable(flaky, QUICK.model_copy(update={"budget": timedelta(milliseconds=50)})), catalog, day(0))


def test_without_confirmation_nothing_is_counted(flaky: FlakySource) -> None:
    source = reliable(flaky, confirm_rows=False)
    with source.read(source.schema("cpu"), day(0)) as rows:
        list(rows)
    assert not flaky.counted


def test_points_that_are_written_meanwhile_are_no_failure(flaky: FlakySource, catalog: Catalog) -> None:
    more = iter(range(3))

    def write(_: Window) -> None:
        if next(more, None) is not None:
            flaky.put(day(0), 7, host=f"new{len(flaky.rows)}")

    flaky.opening = write
    load(reliable(flaky), catalog, day(0))
    assert exact(flaky, catalog)


def test_an_outage_longer_than_the_budget_is_the_servers_error(flaky: FlakySource, catalog: Catalog) -> None:
    flaky.opening = times(10**6, lambda: SourceUnavailable("down"))
    budget = QUICK.model_copy(update={"budget": timedelta(milliseconds=30)})
    with pytest.raises(SourceUnavailable, match=r"down \(tried \d+ times; retry.budget: 0.03 s\)"):
        load(reliable(flaky, budget), catalog, day(0))


def test_no_budget_no_second_try(flaky: FlakySource) -> None:
    tries = 0

    def call() -> None:
        nonlocal tries
        tries += 1
        raise SourceUnavailable("down")

    with pytest.raises(SourceUnavailable):
        retried(call, RetryOptions(budget=timedelta(0)))
    assert tries == 1


def test_a_count_that_is_too_large_is_asked_in_pieces(flaky: FlakySource) -> None:
    counting = flaky.count

    def count(measurement: str, window: Window) -> int:
        if window.end - window.start > timedelta(hours=7):
            raise FileLimitExceeded("too many files")
        return counting(measurement, window)

    flaky.count = count  # type: ignore[method-assign]
    assert reliable(flaky).count("cpu", day(0)) == 1000


def test_waits_grow_within_their_bounds_and_respect_what_the_server_asks() -> None:
    now, waits = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    options = RetryOptions(
        budget=timedelta(hours=1), first_wait=timedelta(seconds=1), longest_wait=timedelta(seconds=8)
    )
    backoff = Backoff(options, sleep=sleep, clock=lambda: now[0])
    for _ in range(8):
        backoff.wait(SourceUnavailable("down"))
    assert all(wait <= bound for wait, bound in zip(waits, [1, 2, 4, 8, 8, 8, 8, 8], strict=True))
    asking = SourceUnavailable("busy")
    asking.retry_after = timedelta(seconds=77)
    backoff.wait(asking)
    assert waits[-1] == 77
    asking.retry_after = timedelta(hours=2)
    with pytest.raises(SourceUnavailable):
        backoff.wait(asking)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_the_table_is_exact_or_the_load_failed_as_it_should(seed: int, catalog: Catalog) -> None:
    chance = random.Random(seed)
    source = FlakySource()
    source.put(day(0), chance.randrange(1, 3000))
    errors: list[Callable[[], LakeError]] = [
        lambda: SourceUnavailable("down"),
        lambda: SourceTimeout("slow"),
        lambda: StreamBroken("cut"),
        lambda: FileLimitExceeded("too many files"),
    ]
    rate = chance.choice([0.01, 0.1, 0.4])

    def perhaps(_: object) -> None:
        if chance.random() < rate:
            raise chance.choice(errors)()

    source.opening, source.amid = perhaps, perhaps
    source.lost = lambda: int(chance.random() < rate)
    options = {"longest_query": chance.choice([None, timedelta(hours=5)]), "shortest_query": timedelta(hours=1)}
    try:
        load(reliable(source, **options), catalog, day(0))
    except (TransientSourceError, FileLimitExceeded):
        return
    assert exact(source, catalog)


def test_only_so_many_queries_run_at_a_time() -> None:
    import threading

    limits, running, most = ServerLimits(concurrent=2), 0, 0
    lock, barrier = threading.Lock(), threading.Barrier(2)

    def query() -> None:
        nonlocal running, most
        with limits.query():
            with lock:
                running += 1
                most = max(most, running)
            barrier.wait(5)
            with lock:
                running -= 1

    threads = [threading.Thread(target=query) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_queries_start_no_faster_than_they_may() -> None:
    import time

    limits, began = ServerLimits(per_second=100), time.monotonic()
    for _ in range(6):
        with limits.query():
            pass
    assert time.monotonic() - began >= 0.05
