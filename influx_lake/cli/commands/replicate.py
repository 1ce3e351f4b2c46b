"""The command `influx-lake replicate`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.commands.plan import plan_facts, show_plan
from influx_lake.cli.interruption import STOPPED, uninterrupted
from influx_lake.cli.options import (
    BranchOption,
    ChangedOption,
    ConfigOption,
    EndOption,
    EveryOption,
    JsonOption,
    Measurements,
    StartOption,
)
from influx_lake.cli.output import Output, counted, output

if TYPE_CHECKING:
    from influx_lake.cli.loading import Loaded
    from influx_lake.cli.session import Session
    from influx_lake.config import Measurement
    from influx_lake.config.values.windows import Window
    from influx_lake.replication.splitting.helpers import Helpers


def replicate(
    names: Measurements = None,
    everything: Annotated[bool, typer.Option("--all", help="Every measurement of the lake.")] = False,
    start: StartOption = None,
    end: EndOption = None,
    every: EveryOption = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Load from this source of the lake instead, such as an export."),
    ] = None,
    missing_only: Annotated[
        bool, typer.Option("--missing-only", help="Skip loaded windows. This is the default without a range.")
    ] = False,
    changed: ChangedOption = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Replace the windows of a range or of --changed by exactly the source's rows, regardless of "
            "write.mode and on_shrink.",
        ),
    ] = False,
    branch: BranchOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the windows and load nothing.")] = False,
    jobs: Annotated[
        int,
        typer.Option("--jobs", metavar="N", min=1, max=64, help="How many processes write the parts of split windows."),
    ] = 1,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Continue after a window fails.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Load windows from InfluxDB into Iceberg tables. Each window is replaced in one commit.

    With --start or --end, every window of the range is loaded, including loaded ones. Without a range, missing windows
    are loaded; with --changed, those that were loaded with a different definition of columns and rows. With --branch,
    readers see nothing before `influx-lake publish`.
    """
    if bool(names) == everything:
        raise typer.BadParameter("name measurements, or give --all", param_hint="MEASUREMENT")
    _check_replace(replace and not changed, given=start is not None and end is not None and not missing_only)
    from influx_lake.cli.loading import Loaded, load
    from influx_lake.cli.part_processes import PartProcesses
    from influx_lake.cli.session import open_session
    from influx_lake.cli.stopped_load import RepeatedCommand, report_stop
    from influx_lake.config.values.units import format_duration

    if changed and (missing_only or every is not None):
        raise typer.BadParameter("it is not for --missing-only and --every", param_hint="--changed")
    only_missing = not changed and (missing_only or (start is None and end is None))
    with output(as_json) as out, open_session(config, branch, command="influx-lake replicate") as session:
        if source is not None:
            session.lake.source(source)
        if changed:
            plans = session.changed(names, start, end)
        else:
            plans = session.plan(names, start, end, every, only_missing=only_missing)
        if replace:
            plans = [(each.replacing_all(), windows) for each, windows in plans]
        if dry_run:
            show_plan(out, plans, "to load")
            out.result(_totals([plan_facts(each, windows) for each, windows in plans], "count"))
            return 0
        session.check_engines(plans, source)
        if only_missing:
            _report_columns(session, plans, out)
        run_id = f"cli-{uuid.uuid4()}"
        loaded = Loaded(plans)

        def helpers(measurement: Measurement) -> Helpers:
            return PartProcesses(jobs, config, measurement.full_name, source, branch, replace, run_id)

        try:
            load(
                session,
                loaded,
                out,
                run_id=run_id,
                source=source,
                keep_going=keep_going,
                helpers=helpers if jobs > 1 else None,
            )
        except STOPPED:
            options = {
                "--every": every and format_duration(every),
                "--source": source,
                "--branch": branch,
                "--jobs": str(jobs) if jobs > 1 else None,
                "--config": config,
            }
            flags = [
                flag
                for flag, given in (("--replace", replace), ("--changed", changed), ("--keep-going", keep_going))
                if given
            ]
            again = RepeatedCommand(options, flags, only_missing=only_missing)
            with uninterrupted():
                left = [plan_facts(each, windows) for each, windows in loaded.left]
                out.result({**_content(loaded), "stopped": True, "left": left})
                report_stop(out, loaded, again)
            raise
        return _conclude(out, loaded, branch)


def _check_replace(replace: bool, *, given: bool) -> None:
    if replace and not given:
        message = "it needs --start and --end, or --changed, and is not for --missing-only"
        raise typer.BadParameter(message, param_hint="--replace")


def _report_columns(session: Session, plans: Sequence[tuple[Measurement, Sequence[Window]]], out: Output) -> None:
    """Warn about tables whose columns would stop loads, where no window is missing and so no load would say so."""
    from influx_lake.replication.table_columns import remarks_of

    for measurement, windows in plans:
        for remark in remarks_of(session.catalog, measurement) if not windows else ():
            out.note(f"{measurement.name}, table {measurement.table_name}: {remark}")


def _content(loaded: Loaded) -> dict[str, object]:
    content = _totals([each.facts() for each in loaded.measurements], "rows")
    if loaded.failures:
        content["error"] = loaded.failures[0]
        content["failures"] = loaded.failures
    return content


def _conclude(out: Output, loaded: Loaded, branch: str | None) -> int:
    out.result(_content(loaded))
    windows, rows = loaded.windows, loaded.rows
    if branch and windows:
        out.line(f"On the branch {branch}. For readers to get them: influx-lake publish MEASUREMENT --branch {branch}")
    if loaded.failures:
        count = sum(len(windows) for _, windows in loaded.left)
        left = f", {count:,} not tried" if count else ""
        out.note(f"{counted(windows, 'window')} loaded, {len(loaded.failures):,} failed{left}.")
        return 1
    out.line(
        f"{counted(windows, 'window')}, {counted(rows, 'row')}."
        if windows
        else "Nothing to load: every window is in the lake."
    )
    return 0


def _totals(measurements: list[dict[str, object]], total: str) -> dict[str, object]:
    """The result of one measurement; for several, a list of them and the sums."""
    if len(measurements) == 1:
        return measurements[0]
    return {"measurements": measurements, total: sum(int(str(each[total])) for each in measurements)}
