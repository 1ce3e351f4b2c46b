"""Opens the observers of loads, for every entry point: metrics, lineage events, and the acknowledgement of changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.lineage.emitter import emitting
from influx_lake.metrics.journal import recording

if TYPE_CHECKING:
    from influx_lake.config import Lake
    from influx_lake.config.observation.openlineage import OpenLineageOptions


@dataclass(frozen=True, slots=True)
class Observation:
    """The observers of a lake's loads.

    Attributes:
        root: The lake's folder.
        lake: The lake's name.
        lineage: The configuration of lineage events; None: none are sent.
        tells_changes: Whether databases report changes (`tell_changes` of a source).
    """

    root: Path
    lake: str | None
    lineage: OpenLineageOptions | None
    tells_changes: bool = False

    @classmethod
    def of(cls, lake: Lake) -> Observation:
        """The observers that a lake configures."""
        return cls(lake.root, lake.operation.name, lake.openlineage, lake.tells_changes)

    @contextmanager
    def of_loads(self, parent: str) -> Iterator[None]:
        """A context whose loads are counted and reported, in every thread that gets its context variables.

        Args:
            parent: The job that the loads are part of: a command, or a Dagster job.

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
