from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from influx_lake.sandbox.api.feed import Feed, Stopped

SCHEMA = pa.schema([("v", pa.int64())])


def batch(value: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array([value])], schema=SCHEMA)


def feed(batches: Iterator[pa.RecordBatch], keep_alive: float = 60.0) -> Feed:
    return Feed(batches, SCHEMA, keep_alive, lambda: 0.0)


def test_batches_come_in_order() -> None:
    found = [one.column(0)[0].as_py() for one in feed(batch(n) for n in range(50))]
    assert found == list(range(50))


def test_empty_batches_come_while_there_is_nothing_else() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[pa.RecordBatch]:
        go_on.wait()
        yield batch(1)

    stream = iter(feed(slow(), keep_alive=0.01))
    assert [next(stream).num_rows for _ in range(3)] == [0, 0, 0]
    go_on.set()
    while not (last := next(stream)).num_rows:
        pass
    assert last.schema == SCHEMA
    with pytest.raises(StopIteration):
        next(stream)


def test_only_a_few_batches_are_made_ahead() -> None:
    made = []

    def endless() -> Iterator[pa.RecordBatch]:
        for number in range(1_000_000):
            made.append(number)
            yield batch(number)

    stream = iter(feed(endless()))
    for _ in range(10):
        next(stream)
    assert len(made) <= 10 + 4
    stream.close()  # type: ignore[attr-defined]


def test_a_client_that_leaves_ends_the_query() -> None:
    ended = threading.Event()

    def endless() -> Iterator[pa.RecordBatch]:
        try:
            while True:
                yield batch(1)
        finally:
            ended.set()

    stream = iter(feed(endless()))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert ended.wait(10)


def test_an_error_reaches_the_client_after_the_rows() -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield batch(1)
        raise ValueError("broken")

    stream = iter(feed(broken()))
    assert next(stream).num_rows == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_a_stop_wakes_a_client_that_waits() -> None:
    waiting, over = threading.Event(), threading.Event()

    def never() -> Iterator[pa.RecordBatch]:
        waiting.set()
        over.wait()
        yield batch(1)

    one = feed(never())

    def stop() -> None:
        waiting.wait()
        one.stop()

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(Stopped):
        next(iter(one))
    over.set()
