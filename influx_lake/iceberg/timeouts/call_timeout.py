"""Calls with a time-out on the whole answer, whatever the server sends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


class AnswerTimeout(Exception):
    """A server did not answer completely within `timeout` of the catalog.

    Args:
        server: The server.
        seconds: The time-out.
    """

    def __init__(self, server: str, seconds: float) -> None:
        super().__init__(f"{server} did not answer within {seconds:g}s")


def answer_within(seconds: float, server: str, call: Callable[[], T]) -> T:
    """Call a function, with a time-out.

    Clients' own time-outs apply to each read, and restart with every byte; name resolution has none at all. After the
    time-out the call continues in a daemon thread.

    Raises:
        AnswerTimeout: The call did not return in time.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # It is raised in the calling thread.
            errors.append(error)

    thread = threading.Thread(target=copy_context().run, args=(run,), name=f"asking {server}", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise AnswerTimeout(server, seconds)
    return results[0]
