"""Logging of the service: lines on stderr, without secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from influx_lake.config.redaction import redact
from influx_lake.printable import printable

_LEVELS = {"influx_lake": logging.INFO, "uvicorn.error": logging.WARNING, "uvicorn.access": logging.WARNING}


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # Names and paths come from clients, and must not contain line breaks.
        return printable(redact(super().format(record))).replace("\r", " ")


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """A context in which the service's log and the project's warnings go to stderr; loggers are restored at its end."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [(logging.getLogger(name), level) for name, level in _LEVELS.items()]
    before = [(logger, logger.level, logger.propagate) for logger, _ in loggers]
    for logger, level in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
