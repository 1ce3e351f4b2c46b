"""The overview of each database, as an asset whose page is the lake's front page."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import dagster as dg

from influx_lake.config import Lake, Measurement, redact
from influx_lake.config.connections import ServerConfig
from influx_lake.observing import Observation
from influx_lake.orchestration.assets.source_assets import database_places
from influx_lake.orchestration.event_log.log_forwarding import warnings_in
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.lake_names import LakeNames, safe_name
from influx_lake.orchestration.resources import OpensSource, SourceResource, catalog_of, source_of

if TYPE_CHECKING:
    from influx_lake.cost.monthly_cost import Monthly
    from influx_lake.replication.overview import Overview
    from influx_lake.sources.usage import SourceUsage

GROUP = "overview"
JOB = "overview"
_CRON = "*/15 * * * *"
_ASKED_ONE_BY_ONE = 50
"""Up to this many measurements, servers are asked for sizes: some count by measurement only."""
# Ahead of queued loads: an overview takes seconds, and shows what they do.
_SOON = {"dagster/priority": "2"}
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def overview_assets(lake: Lake) -> list[dg.AssetsDefinition]:
    """An asset for each source that measurements are loaded from.

    It has no dependencies, so that a thousand measurements do not add an edge each; its page links to them.
    """
    places = database_places(lake)
    of_source = {name: [each for each in lake.measurements if each.source == name] for name in lake.sources}
    return [_overview_asset(lake, name, places[name], of) for name, of in of_source.items() if of]


def overview_job_and_schedule(
    lake: Lake, overviews: Sequence[dg.AssetsDefinition]
) -> "tuple[dg.UnresolvedAssetJobDefinition, dg.ScheduleDefinition]":
    """The job and schedule that refresh all overviews every quarter of an hour, one run at a time."""
    names = LakeNames.of(lake)
    job = dg.define_asset_job(
        names.scoped(JOB),
        selection=dg.AssetSelection.assets(*overviews),
        executor_def=dg.in_process_executor,
        tags={**_SOON, **names.tags},
        description="Refreshes the overview of each database.",
    )

    @dg.schedule(
        job=job,
        name=f"{job.name}_schedule",
        cron_schedule=_CRON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Refreshes the overview of each database, unless the last refresh is still running.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if context.instance.get_runs_count(dg.RunsFilter(job_name=job.name, statuses=_UNDER_WAY)):
            return dg.SkipReason("the last overview waits or runs still")
        return dg.RunRequest()

    return job, tick


def _overview_asset(
    lake: Lake, source: str, place: Sequence[str], measurements: Sequence[Measurement]
) -> dg.AssetsDefinition:
    config, names = lake.sources[source], LakeNames.of(lake)
    key = names.source(source)
    prefix = urlsplit(lake.alerts.base_url or "").path if lake.alerts else ""
    # Counting the rows of files means reading them.
    is_asked, observation = isinstance(config, ServerConfig), Observation.of(lake)

    spec = dg.AssetSpec(
        ["influx_lake", "overview", *names.placed(*place)],
        description=f"How the {len(measurements)} measurements of {config.label} are doing: windows loaded of those "
        "due, rows, lag, and source against lake in the newest window. The table is below, in the metadata; each name "
        "in it leads to its page.",
        group_name=GROUP,
        kinds={"influxdb", "iceberg"},
        # The first one is made at once, since it is the front page. `on_missing` ignores what was missing before.
        automation_condition=dg.AutomationCondition.missing()
        & ~dg.AutomationCondition.in_progress()
        & ~dg.AutomationCondition.execution_failed(),
    )

    @dg.multi_asset(
        name=safe_name("__".join(spec.key.path)),
        specs=[spec],
        required_resource_keys={names.catalog, *([key] if is_asked else [])},
    )
    def overview(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        from influx_lake.orchestration.assets.overview_page import overview_facts
        from influx_lake.replication.overview import overview_of

        with failing_clearly(), warnings_in(context.log, context.instance), ExitStack() as opened:
            opened.enter_context(observation.of_loads(context.job_name))
            found = overview_of(
                measurements,
                catalog_of(context, names),
                datetime.now(UTC),
                gone=lambda each: (each.source, each.name) in lake.gone,
                named=lake.named(source),
                source=opened.enter_context(source_of(context, names, source).open()) if is_asked else None,
            )
            usage = None
            if is_asked and not found.silence:
                usage = _usage(context, source_of(context, names, source), measurements)
                found = replace(found, source_bytes=usage.bytes if usage else None)
            paid = _paid(context, lake, source, usage, found)
            if found.silence:
                context.log.warning(f"the source {source} could not be asked: {redact(str(found.silence))}")
            return dg.MaterializeResult(asset_key=spec.key, metadata=overview_facts(found, config.label, prefix, paid))

    return overview


def _usage(context: dg.AssetExecutionContext, source: OpensSource, of: Sequence[Measurement]) -> "SourceUsage | None":
    """The statistics of a source's server; None where it has none."""
    from influx_lake.errors import SourceError
    from influx_lake.sources.usage import usage_of

    if not isinstance(source, SourceResource) or len(of) > _ASKED_ONE_BY_ONE:
        return None
    try:
        return usage_of(source.config(), [each.name for each in of])
    except SourceError as error:
        context.log.info(f"the source does not report the size of its data: {redact(str(error))}")
        return None


def _paid(
    context: dg.AssetExecutionContext, lake: Lake, source: str, usage: "SourceUsage | None", found: "Overview"
) -> "Monthly | None":
    """The monthly cost by the lake's price table; None without one, or where it has mistakes."""
    from influx_lake.cost.monthly_cost import monthly
    from influx_lake.cost.prices import load_prices
    from influx_lake.errors import ConfigurationError

    if lake.cost is None:
        return None
    try:
        prices = load_prices(lake.cost.path(lake.path.parent))
    except ConfigurationError as error:
        context.log.warning(f"costs cannot be computed: {redact(str(error))}")
        return None
    told = [each.bytes for each in found.standings if each.bytes is not None]
    of = [each.measurement for each in found.standings]
    return monthly(prices, source, usage, sum(told) if told else None, of, found.now)
