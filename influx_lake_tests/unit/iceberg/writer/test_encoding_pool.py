"""The threads that encode: a writer that is given up waits for all of them."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from influx_lake.iceberg.writer.encoding_pool import EncodingPool


class Stopped(BaseException):
    """What a signal raises."""


def test_a_signal_while_work_is_given_leaves_no_thread_that_nobody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(30)
        ended.set()

    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise Stopped

    pool = EncodingPool()
    pool.submit(1, begun.is_set)
    with monkeypatch.context() as patched:
        # A signal comes in the moment in which the executor starts a thread for the work.
        patched.setattr(threading.Thread, "start", interrupted)
        with suppress(Stopped):
            pool.submit(1, work)
    assert begun.wait(30)
    threading.Timer(0.05, may_end.set).start()
    pool.close()
    assert ended.is_set()


def test_a_signal_while_the_threads_are_started_leaves_none_that_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    before, start = set(threading.enumerate()), threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(Stopped):
            EncodingPool().submit(1, before.copy)
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()
