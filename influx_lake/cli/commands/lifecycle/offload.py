"""The commands `influx-lake offload plan` and `run`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.failures import of_lake_error
from influx_lake.cli.options import ConfigOption, JsonOption, Measurements
from influx_lake.cli.output import Output, counted, output

if TYPE_CHECKING:
    from influx_lake.offload.offload_run import Offloading, Result
    from influx_lake.offload.planning import OffloadPlan
    from influx_lake.session import Session

offload = typer.Typer(
    name="offload",
    help="Delete windows at their source that are proved to be in the lake.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@offload.command("plan")
def plan(names: Measurements = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show which windows would be deleted at their source, and why others would not. Nothing is compared or changed.

    These are the windows that `offload` in lake.yaml allows: old, proved by `verify --values`, compacted and
    unchanged.
    """
    from influx_lake.cli.session import open_session
    from influx_lake.offload.json_results import plan_facts

    with output(as_json) as out, open_session(config) as session:
        plans = [each for _, each in _plans(session, names)]
        for each in plans:
            _show(out, each)
        out.result({"measurements": [plan_facts(each) for each in plans]})


@offload.command("run")
def run(
    names: Measurements = None,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the deletion. Without it nothing is deleted.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Delete at their source the windows that `offload plan` shows. Only `influx-lake restore` can undo this.

    Each window is compared once more, value by value, right before it is deleted. The exit code is 1 if a window was
    refused, or if it is unknown whether its deletion completed. The next run continues with it.
    """
    from influx_lake.cli.session import open_session
    from influx_lake.errors import LakeError
    from influx_lake.offload.json_results import plan_facts, result_facts
    from influx_lake.offload.offload_run import Outcome

    with output(as_json) as out, open_session(config) as session:
        facts, bad = [], 0
        for offloading, each in _plans(session, names):
            _show(out, each)
            results = list["Result"]()
            if yes and not each.is_empty:
                try:
                    for result in offloading.run(each):
                        results.append(result)
                        _print_result(out, each, result)
                except LakeError as error:
                    # Another measurement may have another source.
                    failure = of_lake_error(error.about(each.measurement.name))
                    out.note(f"✗ {failure.text}")
                    facts.append({**plan_facts(each), "results": result_facts(results), "error": failure.facts})
                    bad += 1
                    continue
            bad += sum(result.outcome is not Outcome.DELETED for result in results)
            facts.append({**plan_facts(each), "results": result_facts(results)})
        if not yes:
            out.line("Nothing was deleted: approve it with --yes.")
        out.result({"approved": yes, "measurements": facts})
        return 1 if bad else 0


def _plans(session: Session, names: list[str] | None) -> Iterator[tuple[Offloading, OffloadPlan]]:
    from influx_lake.offload.offload_run import Offloading
    from influx_lake.offload.planning import plan_offload
    from influx_lake.replication.changes.journal import ChangeJournal
    from influx_lake.sources.deleting import open_deletion

    chosen = [each for each in session.measurements(names) if names or each.offload is not None]
    now, journal = datetime.now(UTC), ChangeJournal.of(session.lake.root)
    for each in chosen:
        with closing(open_deletion(session.lake.source(each.source))) as deletion:
            found = plan_offload(session.lake, session.catalog, deletion, each, now, journal.pending())
            source = session.reliable_source(each.source)
            run_id = f"cli-{uuid.uuid4()}"
            yield (
                Offloading(session.lake, session.catalog, source, deletion, each, run_id, now, journal.pending),
                found,
            )


def _show(out: Output, plan: OffloadPlan) -> None:
    name = plan.measurement.name
    for each in plan.refused:
        where = f" {each.window} ({counted(each.windows, 'window')})" if each.window else ""
        out.line(f"! {name}{where} stays at the source: {each.why}")
    for window in plan.unfinished:
        out.line(f"{name} {window}: its deletion was begun, and is gone on with")
    for window, rows in plan.windows:
        out.line(f"{name} {window}: {counted(rows, 'row')} to be deleted at the source")
    if plan.waiting:
        out.line(f"{name}: {counted(plan.waiting, 'window')} more, for the next runs")
    if plan.is_empty and not plan.refused:
        out.line(f"{name}: no window is old enough that is not deleted already")


def _print_result(out: Output, plan: OffloadPlan, result: Result) -> None:
    from influx_lake.offload.offload_run import Outcome

    sign = {Outcome.DELETED: "✓", Outcome.REFUSED: "!", Outcome.UNFINISHED: "✗"}[result.outcome]
    remark = f": {result.remark}" if result.remark else ""
    rows = f", {counted(result.rows, 'row')}" if result.outcome is Outcome.DELETED else ""
    out.line(f"{sign} {plan.measurement.name} {result.window} {result.outcome}{rows}{remark}")
