"""Removes changes from the journal once a load has read their time, whichever process loads."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from influx_lake.errors import LakeError
from influx_lake.iceberg.history.branch_catalog import branch_of
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.changes.journal import ChangeJournal, Loaded
from influx_lake.replication.observing import Work, observed_by
from influx_lake.replication.window import MeasurementWindow

log = logging.getLogger("influx_lake.replication")


class AcknowledgingLoads:
    """A listener of loads: acknowledges the changes of the loaded time that were noted before the load began.

    Args:
        journal: Keeps the changes.
    """

    def __init__(self, journal: ChangeJournal) -> None:
        self._journal = journal
        self._began: dict[int, int] = {}

    def begun(self, work: Work) -> None:
        """Note when a load begins."""
        if isinstance(work, MeasurementWindow) and branch_of(work.catalog) is None:
            self._began[id(work)] = time.time_ns()

    def loaded(self, work: Work, results: Sequence[WindowResult]) -> None:
        """Acknowledge the changes that the load has read."""
        began = self._began.pop(id(work), None)
        if began is None or not isinstance(work, MeasurementWindow):
            return
        try:
            name = work.measurement.full_name
            self._journal.acknowledge(Loaded(name, each.window, _read_from(each, began)) for each in results)
        except LakeError as error:
            # The window is then loaded once more, which changes nothing.
            log.warning("a change that was loaded is not forgotten: %s", error)

    def failed(self, work: Work, error: BaseException) -> None:  # noqa: ARG002
        """Acknowledge nothing: the load failed or was interrupted."""
        self._began.pop(id(work), None)


def _read_from(result: WindowResult, began: int) -> int:
    """When the rows of a load began to be read, in nanoseconds since 1970: some may have been read before it began."""
    return began if result.read_from is None else min(began, int(result.read_from.timestamp()) * 1_000_000_000)


@contextmanager
def acknowledging(root: Path) -> Iterator[None]:
    """Acknowledge the changes that loads in this context read.

    Args:
        root: The lake's folder.
    """
    with observed_by(AcknowledgingLoads(ChangeJournal.of(root))):
        yield
