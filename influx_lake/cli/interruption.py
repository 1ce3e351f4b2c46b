"""Signals in commands: Ctrl-C and SIGTERM unwind the stack, so that uncommitted files are deleted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


class Terminated(BaseException):
    """Raised on SIGTERM."""


STOPPED = (KeyboardInterrupt, Terminated)
"""The exceptions raised in a command that is stopped."""


@contextmanager
def terminable() -> Iterator[None]:
    """A context in which SIGTERM raises `Terminated`."""

    def stop(*_: object) -> NoReturn:
        raise Terminated

    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A context in which signals are ignored, while the command reports what it did."""
    former = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
