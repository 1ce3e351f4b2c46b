"""The sensor that pushes a lake's metrics to a Pushgateway or writes them to a file: runs are too short to be
scraped.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Lake
from influx_lake.errors import LakeError
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.resources import IcebergCatalogResource

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

READING_SECONDS = 20.0
"""How long a tick reads tables, in seconds; the others follow with the next tick. Dagster allows a tick a minute."""


def metrics_sensor(lake: Lake) -> dg.SensorDefinition | None:
    """The sensor, where `metrics` is configured; it starts no runs.

    Args:
        lake: The lake.
    """
    options, names = lake.metrics, LakeNames.of(lake)
    if options is None:
        return None
    registry: list[CollectorRegistry] = []

    @dg.sensor(
        name=names.scoped("metrics"),
        minimum_interval_seconds=int(options.every.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={names.catalog},
        description="Pushes or writes the lake's metrics for Prometheus.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from influx_lake.metrics import exposition

        began = time.monotonic()
        with failing_clearly():
            if not registry:
                catalog: IcebergCatalogResource = getattr(context.resources, names.catalog)
                made = exposition.registry_of(lambda: lake, catalog.open, reading_seconds=READING_SECONDS)
                registry.append(made)
            said, failed = [], list[LakeError]()
            path, gateway = options.path(lake.root), options.push

            def deliver(to: str, send: Callable[[], None]) -> None:
                try:
                    send()
                    said.append(to)
                except LakeError as error:
                    failed.append(error)

            if path is not None:
                deliver(str(path), lambda: exposition.write_text_file(registry[0], path))
            if gateway is not None:
                deliver("the Pushgateway", lambda: exposition.push(registry[0], gateway.reveal(), names.lake))
            if failed:
                raise failed[0]
        return dg.SkipReason(f"delivered to {' and '.join(said)} in {time.monotonic() - began:.1f} s")

    return tick
