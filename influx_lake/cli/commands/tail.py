"""The command `influx-lake tail`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli.options import ConfigOption, JsonOption, Measurements
from influx_lake.cli.output import counted, output

if TYPE_CHECKING:
    from influx_lake.replication.tail import TailResult


def tail(
    names: Measurements = None,
    everything: Annotated[bool, typer.Option("--all", help="Every measurement that has a `tail`.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add new points of the open window to the table. The window stays due."""
    if bool(names) == everything:
        raise typer.BadParameter("name measurements, or give --all", param_hint="MEASUREMENT")
    from influx_lake.cli.session import open_session
    from influx_lake.config.values.windows import utc_text
    from influx_lake.replication.tail import tail_measurement

    with output(as_json) as out, open_session(config, command="influx-lake tail") as session:
        run_id, done = f"cli-{uuid.uuid4()}", list["TailResult"]()
        for each in session.measurements(names):
            if names or each.tail is not None:
                result = tail_measurement(session.reliable_source(each.source), session.catalog, each, run_id=run_id)
                out.line(
                    f"✓ {each.name}  {counted(result.rows, 'new row')} until {utc_text(result.until)} "
                    f"in {result.seconds:.2f} s"
                )
                done.append(result)
        if not done:
            out.line("No measurement has a `tail`.")
        out.result({"measurements": [_facts(each) for each in done], "rows": sum(each.rows for each in done)})


def _facts(result: TailResult) -> dict[str, Any]:
    from influx_lake.config.values.windows import utc_text

    return {
        "measurement": result.measurement.name,
        "table": result.measurement.table_name,
        "rows": result.rows,
        "until": utc_text(result.until),
        "windows": [str(commit.window) for commit in result.commits],
        "seconds": round(result.seconds, 3),
    }
