"""The command `influx-lake discover`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import Output, add_row, counted, output, plain_table

if TYPE_CHECKING:
    from influx_lake.config import Lake, Measurement, Pattern


def discover(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Find the measurements that match the patterns of the lake.yaml, and store the result."""
    from influx_lake.cli.session import open_session
    from influx_lake.replication.discovery import discover_measurements

    with output(as_json) as out, open_session(config) as session:
        discovered, state = discover_measurements(session.lake, session.source)
        lake, listed, found, resolved = discovered.lake, discovered.listed, discovered.found, discovered.resolved
        matches = [each for name, names in found.items() for each in lake.match(name, names)]
        table = plain_table("pattern", "source", "measurement", "table", "from")
        for pattern, measurement in matches:
            start = measurement.scheme.key(measurement.scheme.window_at(measurement.scheme.start))
            add_row(table, pattern.text, measurement.source, measurement.name, measurement.table_name, start)
        if lake.patterns:
            out.table(table)
        else:
            out.line(f"{lake.path.name} has no patterns; a key such as `http_*` under `measurements` is one.")
        if resolved.warning:
            out.note(f"! {resolved.warning}")
        states = _in_project(out, lake)
        total = sum(len(names) for names in found.values())
        out.line(f"{counted(total, 'measurement')} found, {len(matches):,} of them by patterns. Kept in {state}")
        if states:
            out.line(f"Kept by Dagster too: {', '.join(states)}. Reload the code location to see it there.")
        for name, listing in listed.items():
            if remark := listing.left_out(lake.named(name)):
                out.line(f"{name}: {remark}. The server lists them until it deletes them; no pattern stands for one.")
        facts = {
            name: _facts(name, found[name], matches, listed[name].unnamed_apart(lake.named(name))[1]) for name in found
        }
        aside = [
            {"source": source, "measurement": name, "reason": reason}
            for (source, name), reason in resolved.set_aside.items()
        ]
        out.result({"state": str(state), "sources": facts, "set_aside": aside})


def _in_project(out: Output, lake: Lake) -> list[str]:
    """Update the discovery state of the project's components; returns their keys."""
    from influx_lake.cli.dg_project import project_of_components
    from influx_lake.config import read_discovered

    if (root := project_of_components(lake.path)) is None:
        return []
    import dagster as dg

    from influx_lake.component.project_state import components_of, keep_in_components

    known = read_discovered(lake.root)
    try:
        with dg.DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else nullcontext() as instance:
            return keep_in_components(components_of(root, lake), lambda _: known, instance)
    except Exception as error:  # whatever keeps a project of others from loading
        out.note(f"! Dagster does not know of it, since the project does not load: {error}")
        return []


def _facts(
    source: str, names: Sequence[str], matches: list[tuple[Pattern, Measurement]], dropped: list[str]
) -> dict[str, object]:
    from influx_lake.config.values.windows import utc_text

    return {
        "measurements": list(names),
        "dropped": dropped,
        "matched": [
            {
                "measurement": measurement.name,
                "pattern": pattern.text,
                "table": measurement.table_name,
                "start": utc_text(measurement.scheme.start),
            }
            for pattern, measurement in matches
            if measurement.source == source
        ],
    }
