"""The rows of a roll-up's asset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.config.values.windows import Window
from influx_lake.observing import Observation
from influx_lake.orchestration.execution.partition_rows import PartitionWindow, StoredAsset
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.partition_events import step_of
from influx_lake.orchestration.window_metadata import rollup_facts

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class RollupRows:
    """The rows of a roll-up's windows, computed one after the other as they are written.

    Attributes:
        rollup: One of its roll-ups.
        observation: The observers of loads.
    """

    measurement: Measurement
    rollup: Rollup
    observation: Observation | None = None
    at_once = 1

    @contextmanager
    def opened(
        self, context: StoredAsset, catalog: Catalog, partitions: Mapping[str, Window]
    ) -> Iterator[Iterator[PartitionWindow]]:
        """A context with the windows."""
        observed = self.observation.of_loads(step_of().run.job_name) if self.observation else nullcontext()
        with observed:
            yield (self._window(catalog, key, window, context.run_id) for key, window in partitions.items())

    def _window(self, catalog: Catalog, key: str, window: Window, run_id: str) -> PartitionWindow:
        from influx_lake.rollups.window import RollupWindow

        rows = RollupWindow(catalog, self.measurement, self.rollup, window, run_id)
        return PartitionWindow(rows, lambda done: {key: rollup_facts(rows, done, asset_key(self.measurement))})
