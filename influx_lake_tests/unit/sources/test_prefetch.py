import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from influx_lake.sources.prefetch import Prefetch, Stalled


def prefetch(items: Any, depth: int = 2, patience: float = 10.0, cancel: Any = lambda: None) -> Prefetch[Any]:
    return Prefetch(items, cancel=cancel, depth=depth, patience=patience, name="test")


def test_gives_the_items_in_order_and_ends() -> None:
    with prefetch(number for number in range(100)) as items:
        assert list(items) == list(range(100))
        assert list(items) == []


def test_runs_ahead_no_further_than_its_depth() -> None:
    made = 0
    third = threading.Event()

    def produce() -> Iterator[int]:
        nonlocal made
        for number in range(10):
            made += 1
            if made == 4:
                third.set()
            yield number

    with prefetch(produce(), depth=3) as items:
        assert third.wait(10)
        assert made == 4  # three wait, and one is in the producer's hand
        assert next(items) == 0


def test_raises_the_error_after_the_items_before_it() -> None:
    def produce() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with prefetch(produce()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="no more"):
            next(items)
        with pytest.raises(ValueError, match="no more"):
            next(items)


def test_gives_up_on_an_item_that_does_not_come() -> None:
    cancelled = threading.Event()

    def produce() -> Iterator[int]:
        yield 1
        cancelled.wait(10)

    with prefetch(produce(), patience=0.05, cancel=cancelled.set) as items:
        assert next(items) == 1
        with pytest.raises(Stalled):
            next(items)
    assert cancelled.is_set()


def test_leaving_early_ends_a_producer_that_waits_for_room() -> None:
    finished = threading.Event()

    def produce() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            finished.set()

    with prefetch(produce(), depth=1) as items:
        assert next(items) == 0
    assert finished.wait(10)


def test_a_closed_stream_does_not_look_like_one_that_ended() -> None:
    with prefetch(number for number in range(3)) as items:
        next(items)
    with pytest.raises(RuntimeError, match="closed"):
        next(items)


def test_lets_go_of_what_was_taken() -> None:
    class Item:
        pass

    with prefetch(Item() for _ in range(3)) as items:
        seen = weakref.ref(next(items))
        list(items)
        assert seen() is None
