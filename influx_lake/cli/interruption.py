"""Commands that are stopped: Ctrl-C and SIGTERM unwind the stack, so that files that were not committed are removed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM came."""


STOPPED = (KeyboardInterrupt, Terminated)
"""What is raised in a command that is stopped."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` when SIGTERM comes."""

    def stop(*_: object) -> NoReturn:
        raise Terminated

    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let nothing more stop the command while it says what became of its work."""
    former = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
