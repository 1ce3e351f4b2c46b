"""A query that takes long hears signals."""

from __future__ import annotations

import signal
import time

import duckdb
import pytest

from influx_lake.sql.interruptible import interruptible

FOR_EVER = "SELECT count(*) FROM range(1000000000000) WHERE hash(range) = 3"


class Stopped(BaseException):
    pass


def test_a_signal_ends_a_query() -> None:
    def stop(*_: object) -> None:
        raise Stopped

    former = signal.signal(signal.SIGALRM, stop)
    started = time.monotonic()
    try:
        with duckdb.connect(":memory:") as connection, interruptible(connection) as run:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(Stopped):
                run(lambda: connection.execute(FOR_EVER).fetchall())
            assert run(lambda: connection.execute("SELECT 1").fetchall()) == [(1,)]
    finally:
        signal.signal(signal.SIGALRM, former)
    assert time.monotonic() - started < 60


def test_what_a_call_raises_is_raised() -> None:
    with (
        duckdb.connect(":memory:") as connection,
        interruptible(connection) as run,
        pytest.raises(duckdb.ParserException),
    ):
        run(lambda: connection.execute("selec"))
