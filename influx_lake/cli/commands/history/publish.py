"""The command `influx-lake publish`."""

from __future__ import annotations

from typing import Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption, OneMeasurement
from influx_lake.cli.output import counted, output


def publish(
    name: OneMeasurement,
    branch: Annotated[str, typer.Option("--branch", metavar="NAME", help="The branch that the windows are on.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the windows of a branch to readers, all at once, and drop the branch.

    No checks are run. If another load changed the same windows since, nothing is published: load them to a branch
    again.
    """
    from influx_lake.cli.session import open_session
    from influx_lake.replication.history.publishing import publish_branch

    with output(as_json) as out, open_session(config) as session:
        measurement = session.lake.find(name)
        done = publish_branch(session.catalog, measurement, branch)
        if done.snapshot_id is None:
            out.line(f"Nothing was loaded to the branch {branch} of {measurement.table_name}; it is dropped.")
        else:
            windows = counted(len(done.windows), "window")
            out.line(f"✓ {measurement.table_name}: {windows} of the branch {branch}, snapshot {done.snapshot_id}")
        out.result(
            {
                "table": measurement.table_name,
                "branch": branch,
                "snapshot_id": None if done.snapshot_id is None else str(done.snapshot_id),
                "windows": [str(window) for window in done.windows],
                "fast_forward": done.fast_forward,
            }
        )
