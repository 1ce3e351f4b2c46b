"""Sends many small requests to a store, several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

AT_ONCE = 16
_WAITING = 16 * AT_ONCE
"""The number of requests that are submitted before their results are consumed, which bounds memory."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def each_of(ask: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """Call a function for items in several threads; yields the results in order, and raises what a call raises."""
    left = iter(items)
    with ThreadPoolExecutor(AT_ONCE, "store") as threads:
        while some := list(islice(left, _WAITING)):
            yield from threads.map(ask, some)
