"""What the service writes of its work: lines on stderr, without secrets."""

from __future__ import annotations

import logging
import sys

from influx_lake.config.redaction import redact
from influx_lake.printable import printable

_QUIET = ("uvicorn.error", "uvicorn.access")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # Names and paths are the clients': none writes a line of its own.
        return printable(redact(super().format(record))).replace("\r", " ")


def log_to_stderr() -> None:
    """Have the service's own log, and the project's warnings, on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    own = logging.getLogger("influx_lake")
    own.addHandler(handler)
    own.setLevel(logging.INFO)
    own.propagate = False
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
