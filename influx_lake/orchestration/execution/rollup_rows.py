"""Windows of a roll-up, from an asset's body to its table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.config.values.windows import Window
from influx_lake.orchestration.execution.partition_rows import run_windows
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.partition_events import Facts
from influx_lake.orchestration.window_metadata import rollup_facts

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class RollupRows:
    """What a roll-up's asset returns: which one of which measurement. The IO manager computes and stores its rows.

    Attributes:
        measurement: The measurement.
        rollup: One of its roll-ups.
    """

    measurement: Measurement
    rollup: Rollup

    def store(
        self, context: dg.OutputContext, catalog: Catalog, windows: Mapping[str, Window]
    ) -> Iterator[dg.AssetMaterialization]:
        """Compute the windows one after the other, each in a commit of its own."""
        from influx_lake.rollups.window import roll_up_window

        def run(window: Window) -> Facts:
            result = roll_up_window(catalog, self.measurement, self.rollup, window, run_id=context.run_id)
            context.log.info(
                f"{self.rollup.table_name}: {result.rows:,} rows of {result.points:,} of "
                f"{self.measurement.table_name} in {result.seconds:.1f} s"
            )
            return rollup_facts(result, asset_key(self.measurement))

        return run_windows(context, self.rollup.table_name, windows, run)
