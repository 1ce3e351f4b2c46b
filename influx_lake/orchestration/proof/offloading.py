"""The job that deletes windows at their source, after approval."""

from contextlib import closing, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.units import counted
from influx_lake.errors import LakeError
from influx_lake.orchestration.event_log.log_forwarding import warnings_in
from influx_lake.orchestration.failures import as_failure, failing_clearly
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.resources import catalog_of, source_of

if TYPE_CHECKING:
    from influx_lake.offload.offload_run import Result
    from influx_lake.offload.planning import OffloadPlan

LONGEST_LISTED = 50


class OffloadConfig(dg.Config):
    """The configuration of a run."""

    approve: bool = Field(
        default=False, description="Delete at the source what the plan says. Without it the run only tells the plan."
    )
    measurements: list[str] = Field(
        default=[], description="Only these, by their names in lake.yaml. Default: all with `offload`."
    )


def offload_job(lake: Lake) -> dg.JobDefinition | None:
    """The job, where a measurement has `offload`. No schedule starts it: each run is a person's decision."""
    measurements = [each for each in lake.measurements if each.offload is not None]
    if not measurements:
        return None
    names = LakeNames.of(lake)
    keys = {names.catalog, *(names.source(each.source) for each in measurements)}

    @dg.op(name=names.scoped("offload_windows"), required_resource_keys=keys)
    def offload(context: dg.OpExecutionContext, config: OffloadConfig) -> None:
        asked = [lake.find(name) for name in config.measurements]
        with failing_clearly(), warnings_in(context.log, context.instance):
            _offload(context, lake, asked or measurements, approved=config.approve)

    @dg.job(
        name=names.scoped("offload"),
        executor_def=dg.in_process_executor,
        tags=names.tags,
        description="Deletes windows at their source that the lake is proved to have, as `offload` of lake.yaml "
        "allows. With the configuration `approve: true` only; without it the run's log tells what would be deleted.",
    )
    def job() -> None:
        offload()

    return job


def _offload(context: dg.OpExecutionContext, lake: Lake, measurements: list[Measurement], *, approved: bool) -> None:
    """Log the plan of each measurement, and execute it where approved; a failure does not stop the others.

    Raises:
        Failure: A measurement failed, a window was refused at the final check, or its deletion is not known to have
            ended.
    """
    from influx_lake.offload.offload_run import Offloading, Outcome
    from influx_lake.offload.planning import plan_offload
    from influx_lake.replication.changes.journal import ChangeJournal
    from influx_lake.sources.deleting import open_deletion

    names, journal, now = LakeNames.of(lake), ChangeJournal.of(lake.root), datetime.now(UTC)
    failed, bad = list[LakeError](), list[str]()
    for measurement in measurements:
        catalog = catalog_of(context, names)
        try:
            with (
                closing(open_deletion(lake.source(measurement.source))) as deletion,
                source_of(context, names, measurement.source).open() if approved else nullcontext() as source,
            ):
                plan = plan_offload(lake, catalog, deletion, measurement, now, journal.pending())
                _tell(context, plan)
                results = list["Result"]()
                if approved and source is not None:
                    offloading = Offloading(
                        lake, catalog, source, deletion, measurement, context.run_id, now, journal.pending
                    )
                    for result in offloading.run(plan):
                        results.append(result)
                        context.log.info(
                            f"{measurement.key} {result.window} {result.outcome}: {result.remark or 'done'}"
                        )
        except LakeError as error:
            failed.append(error.about(measurement.name))
            context.log.warning(str(as_failure(failed[-1]).description))
            continue
        left = [each for each in results if each.outcome is not Outcome.DELETED]
        bad += [f"{measurement.key} {each.window} {each.outcome}: {each.remark}" for each in left]
        if results:
            context.log_event(_observation(measurement, results))
    if failed:
        raise as_failure(next((each for each in failed if not each.transient), failed[0]))
    if bad:
        raise dg.Failure(f"{counted(len(bad), 'window')} not deleted: {'; '.join(bad[:5])}", allow_retries=False)
    if not approved:
        context.log.info("Nothing was deleted: launch the job with `approve: true` to delete what the plan says.")


def _tell(context: dg.OpExecutionContext, plan: "OffloadPlan") -> None:
    name = plan.measurement.key
    for each in plan.refused:
        where = f" {each.window} ({counted(each.windows, 'window')})" if each.window else ""
        context.log.info(f"{name}{where} stays at the source: {each.why}")
    for window in plan.unfinished:
        context.log.info(f"{name} {window}: its deletion was begun, and is continued")
    for window, rows in plan.windows[:LONGEST_LISTED]:
        context.log.info(f"{name} {window}: {counted(rows, 'row')} to be deleted at the source")
    said = f"{name}: {counted(len(plan.windows), 'window')} with {counted(plan.rows, 'row')} to be deleted"
    context.log.info(f"{said}, {plan.waiting:,} more for the next runs")


def _observation(measurement: Measurement, results: "list[Result]") -> dg.AssetObservation:
    from influx_lake.offload.offload_run import Outcome

    deleted = [each for each in results if each.outcome is Outcome.DELETED]
    return dg.AssetObservation(
        asset_key(measurement),
        description="Off-loaded: deleted at the source, and kept in the lake.",
        metadata={
            "offloaded_windows": dg.MetadataValue.int(len(deleted)),
            "offloaded_rows": dg.MetadataValue.int(sum(each.rows for each in deleted)),
            "not_deleted": dg.MetadataValue.int(len(results) - len(deleted)),
        },
    )
