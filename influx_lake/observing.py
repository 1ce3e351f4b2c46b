"""What every door opens around its work on a lake: its loads are counted, told of where the lake says to whom, and
forget what databases told of the windows that they load.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.lineage.emitting import emitting
from influx_lake.metrics.journal import recording

if TYPE_CHECKING:
    from influx_lake.config import Lake
    from influx_lake.config.observation.openlineage import OpenLineageOptions


@dataclass(frozen=True, slots=True)
class Observation:
    """Who is told of a lake's loads.

    Attributes:
        root: The lake's folder.
        lake: The lake's name.
        lineage: Where lineage events go; None: nowhere.
        tells_changes: Whether databases tell which windows changed.
    """

    root: Path
    lake: str | None
    lineage: OpenLineageOptions | None
    tells_changes: bool = False

    @classmethod
    def of(cls, lake: Lake) -> Observation:
        """The observation of a lake."""
        return cls(lake.root, lake.operation.name, lake.openlineage, lake.tells_changes)

    @contextmanager
    def of_loads(self, parent: str) -> Iterator[None]:
        """Count and tell of the loads in the context, by whatever thread that gets its context.

        Args:
            parent: The job that they are part of: a command, or a job of Dagster's.

        Raises:
            MissingExtra: The lake has lineage events sent, and OpenLineage's client is not installed.
        """
        with ExitStack() as opened:
            opened.enter_context(recording(self.root))
            opened.enter_context(emitting(self.lineage, self.root, self.lake, parent))
            if self.tells_changes:
                from influx_lake.replication.changes.acknowledging import acknowledging

                opened.enter_context(acknowledging(self.root))
            yield
