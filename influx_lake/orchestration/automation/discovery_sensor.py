"""Discovery of measurements and databases that appear on a server, or vanish from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Lake, Measurement, redact
from influx_lake.config.connections import ServerConfig
from influx_lake.config.sources.discovery import Discovered, read_discovered, replace_discovered
from influx_lake.orchestration.automation.code_location_reload import reload_code_location
from influx_lake.orchestration.automation.source_survey import Look
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.resources import SourceResource, source_of

if TYPE_CHECKING:
    from influx_lake.sources.protocol import Source

GONE_TAG = "influx_lake/gone"


@dataclass(frozen=True, slots=True)
class Discovery:
    """A listing of the sources, compared with the lake.

    Attributes:
        found: The measurements of each listed source; none of one whose database is gone.
        appeared: The measurements that patterns match and the lake does not have yet.
        gone: The lake's measurements that their sources no longer have, as (source, name).
        warning: Which measurements are left out because of a table's owner, and why; None where none is.
    """

    found: Mapping[str, tuple[str, ...]]
    appeared: tuple[Measurement, ...]
    gone: frozenset[tuple[str, str]]
    lake: Lake
    warning: str | None = None

    @classmethod
    def of(cls, lake: Lake, found: Mapping[str, tuple[str, ...]]) -> Discovery:
        """Compare; measurements that would share a table with another one are left out."""
        known = {(each.source, each.name) for each in lake.measurements}
        resolved = lake.resolve(found)
        found = resolved.kept(found)
        matches = [measurement for source, names in found.items() for _, measurement in lake.match(source, names)]
        return cls(
            found,
            tuple(each for each in matches if (each.source, each.name) not in known),
            frozenset((source, name) for source, name in known if source in found and name not in found[source])
            | {entry for entry in lake.gone if entry[0] not in found},
            lake,
            resolved.warning,
        )

    @property
    def vanished(self) -> tuple[Measurement, ...]:
        """The measurements that were there when the lake was loaded."""
        gone = self.gone - self.lake.gone
        return tuple(each for each in self.lake.measurements if (each.source, each.name) in gone)

    @property
    def databases(self) -> tuple[str, ...]:
        """The sources of databases that the lake does not have yet."""
        return tuple(sorted(self.found.keys() - self.lake.sources.keys()))

    @property
    def is_news(self) -> bool:
        """Whether loading the lake now would change it."""
        return bool(self.appeared or self.databases) or self.gone != self.lake.gone

    def added_to(self, known: Discovered) -> Discovered:
        """The known measurements, for the next time the lake is loaded; gone ones stay in the lake."""
        gone = {source: [name for origin, name in self.gone if origin == source] for source in self.found}
        found = {source: [*names, *gone[source]] for source, names in self.found.items()}
        return known.updated(found, gone=gone, first_points=self.lake.first_points)

    def summary(self) -> str:
        """The news in a line."""
        came = [measurement.full_name for measurement in self.appeared]
        went = [measurement.full_name for measurement in self.vanished]
        parts = [f"new databases: {', '.join(self.databases)}"] if self.databases else []
        parts += [f"appeared: {', '.join(came)}"] if came else []
        parts += [f"vanished: {', '.join(went)}"] if went else []
        return "; ".join(parts) or "measurements that were gone are back"


Keep = Callable[[dg.DagsterInstance, Callable[[Discovered], Discovered]], None]
"""Updates the stored discovery results."""


def discovery_sensor(lake: Lake, keep: Keep | None = None) -> dg.SensorDefinition | None:
    """The sensor that asks each server for its databases and measurements; None for a lake without servers.

    Args:
        lake: The lake.
        keep: Stores changed discovery results; by default beside the lake.yaml.
    """
    sources = sorted(name for name, config in lake.sources.items() if isinstance(config, ServerConfig))
    if not sources and not lake.groups:
        return None
    options, names = lake.operation.discovery, LakeNames.of(lake)
    webserver = options.webserver or (lake.alerts.base_url if lake.alerts else None)

    @dg.sensor(
        name=names.scoped("discovery"),
        minimum_interval_seconds=options.every // timedelta(seconds=1),
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={names.source(name) for name in sources},
        description="Notices databases and measurements that patterns match and that appeared later, has them loaded "
        "as assets, and marks those that vanished from their source; their tables stay.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with failing_clearly():
            found = Look(lake, lambda name: _opened(context, lake, name))
            found.around(datetime.now(UTC))
            news = Discovery.of(found.lake, found.found)
            if news.warning:
                context.log.warning(news.warning)
            said = f"nothing new in {sum(map(len, news.found.values())):,} measurements"
            if news.is_news:
                if keep:
                    keep(context.instance, news.added_to)
                else:
                    replace_discovered(lake.root, news.added_to(read_discovered(lake.root)))
                for measurement in news.vanished:
                    context.instance.report_runless_asset_event(_vanished(measurement))
                said = f"{news.summary()}. {_reloaded(context, webserver)}"
            said = "; ".join([said, *(f"{name}: {words}" for name, words in sorted(found.left_out.items()))])
            if found.failures:
                # The results of the other sources are kept.
                context.log.info(said)
                first, *others = found.failures
                for error in others:
                    context.log.error(redact(str(error)))
                raise first
            return dg.SkipReason(said)

    return look


def marked_if_gone(lake: Lake, measurement: Measurement) -> Measurement:
    """The measurement, with a tag and a remark in its description where its source no longer has it."""
    if (measurement.source, measurement.name) not in lake.gone:
        return measurement
    said = f"**Its source no longer has this measurement; the table stays.**\n\n{measurement.description or ''}".strip()
    return replace(measurement, tags={**measurement.tags, GONE_TAG: "true"}, description=said)


def _opened(context: dg.SensorEvaluationContext, lake: Lake, source: str) -> AbstractContextManager[Source]:
    if source in lake.sources:
        return source_of(context, LakeNames.of(lake), source).open()
    return SourceResource.of(lake.source(source), lake.root).open()


def _vanished(measurement: Measurement) -> dg.AssetObservation:
    return dg.AssetObservation(
        asset_key(measurement),
        description=f"{measurement.name} is no longer in the source {measurement.source}; the table is unchanged",
        metadata={"measurement": measurement.name, "source": measurement.source, "gone": True},
    )


def _reloaded(context: dg.SensorEvaluationContext, webserver: str | None) -> str:
    origin = context.code_location_origin
    return reload_code_location(origin.location_name, webserver) if origin else "Reload the definitions to see it."
