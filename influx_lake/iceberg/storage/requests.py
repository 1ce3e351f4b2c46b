"""Many small requests to a store, several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

AT_ONCE = 16
_WAITING = 16 * AT_ONCE
"""How many are handed out before their answers are taken: memory does not follow how many there are."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def each_of(ask: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """The answers for some items, in their order; what one raises is raised."""
    left = iter(items)
    with ThreadPoolExecutor(AT_ONCE, "store") as threads:
        while some := list(islice(left, _WAITING)):
            yield from threads.map(ask, some)
