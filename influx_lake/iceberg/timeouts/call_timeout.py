"""Calls that end in time, whatever the server sends, or does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


class AnswerTimeout(Exception):
    """A server did not answer completely within `timeout` of the catalog.

    Args:
        server: Whom was asked.
        seconds: How long the answer was waited for.
    """

    def __init__(self, server: str, seconds: float) -> None:
        super().__init__(f"{server} did not answer within {seconds:g}s")


def answer_within(seconds: float, server: str, call: Callable[[], T]) -> T:
    """What a call returns or raises, if it does so in time.

    Clients' own time-outs are for each read, and begin anew with every byte; looking up a name has none at all. The
    call goes on in a thread that nobody waits for.

    Raises:
        AnswerTimeout: The call did not end.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # It is raised in the thread that asked.
            errors.append(error)

    thread = threading.Thread(target=copy_context().run, args=(run,), name=f"asking {server}", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise AnswerTimeout(server, seconds)
    return results[0]
