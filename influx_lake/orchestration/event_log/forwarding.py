"""Warnings of this package, in the event log of the run that they belong to."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

LOGGER = "influx_lake"
"""The logger above all of this package's."""


@contextmanager
def warnings_in(log: logging.Logger, instance: dg.DagsterInstance) -> Iterator[None]:
    """Write what this package warns of to a step's log too, in whatever thread it is met.

    Dagster takes only what its instance names in `managed_python_loggers` (dagster.yaml), which most do not; what is
    named there is left to Dagster, so that nothing is told twice.

    Args:
        log: The step's log: `context.log`.
        instance: The Dagster instance of its run.
    """
    handler, logger = _Forwarding(log, instance.managed_python_loggers), logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Forwarding(logging.Handler):
    def __init__(self, log: logging.Logger, managed: Sequence[str]) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._managed = tuple(managed)

    def emit(self, record: logging.LogRecord) -> None:
        if not any(_is_below(record.name, name) for name in self._managed):
            self._log.log(record.levelno, record.getMessage())


def _is_below(name: str, other: str) -> bool:
    return other in ("root", name) or name.startswith(f"{other}.")
