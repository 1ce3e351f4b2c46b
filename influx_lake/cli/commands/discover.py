"""`influx-lake discover`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import counted, output, plain_table

if TYPE_CHECKING:
    from influx_lake.config import Lake, Measurement, Pattern


def discover(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Ask each InfluxDB which measurements it has, and keep the answer for the patterns of the lake.yaml."""
    from influx_lake.cli.session import open_session
    from influx_lake.config import load_lake, write_discovered

    with output(as_json) as out, open_session(config) as session:
        lake = session.lake
        sources = list(dict.fromkeys(pattern.source for pattern in lake.patterns)) or list(lake.sources)
        groups = {group.name for group in lake.groups}
        alone = [name for name in sources if name not in groups and "/" not in name]
        found = {name: session.source(name).measurements() for name in alone} | _in_databases(lake)
        lake.resolve(found)  # two measurements of one table are refused before anything is kept
        state = write_discovered(lake.root, found, groups=[group.name for group in lake.groups])
        lake = load_lake(lake.path) if lake.groups else lake
        matches = [each for name, names in found.items() for each in lake.match(name, names)]
        table = plain_table("pattern", "source", "measurement", "table")
        for pattern, measurement in matches:
            table.add_row(pattern.text, measurement.source, measurement.name, measurement.table_name)
        if lake.patterns:
            out.table(table)
        else:
            out.line(f"{lake.path.name} has no patterns; a key such as `http_*` under `measurements` is one.")
        total = sum(len(names) for names in found.values())
        out.line(f"{counted(total, 'measurement')} found, {len(matches):,} of them by patterns. Kept in {state}")
        out.result({"state": str(state), "sources": {name: _facts(name, found[name], matches) for name in found}})


def _in_databases(lake: Lake) -> dict[str, list[str]]:
    """The measurements of every database that is meant by an entry for many of them, by source."""
    from influx_lake.sources import open_source
    from influx_lake.sources.databases import databases_of

    found = {}
    for group in lake.groups:
        for name, config in group.sources(group.wanted(databases_of(group.server))).items():
            with closing(open_source(config)) as source:
                found[name] = source.measurements()
    return found


def _facts(source: str, names: list[str], matches: list[tuple[Pattern, Measurement]]) -> dict[str, object]:
    return {
        "measurements": names,
        "matched": [
            {"measurement": measurement.name, "pattern": pattern.text, "table": measurement.table_name}
            for pattern, measurement in matches
            if measurement.source == source
        ],
    }
