"""`influx-lake discover`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import add_row, counted, output, plain_table

if TYPE_CHECKING:
    from influx_lake.config import Lake, Measurement, Pattern
    from influx_lake.sources.listing import Listing


def discover(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Ask each InfluxDB which measurements it has, and keep the answer for the patterns of the lake.yaml."""
    from influx_lake.cli.session import open_session
    from influx_lake.config import load_lake, write_discovered
    from influx_lake.config.sources.first_points import write_first_points
    from influx_lake.replication.first_points import with_first_points
    from influx_lake.sources.listing import listing_of

    with output(as_json) as out, open_session(config) as session:
        lake = session.lake
        sources = list(dict.fromkeys(pattern.source for pattern in lake.patterns)) or list(lake.sources)
        groups = {group.name for group in lake.groups}
        alone = [name for name in sources if name not in groups and "/" not in name]
        listed = {name: listing_of(session.source(name)) for name in alone} | _in_databases(lake)
        wanted = {name: listing.wanted(lake.named(name)) for name, listing in listed.items()}
        lake = with_first_points(lake, wanted, session.source, again=True)
        resolved = lake.resolve(wanted)
        found = resolved.kept(wanted)
        state = write_discovered(lake.root, found, groups=[group.name for group in lake.groups])
        write_first_points(lake.root, lake.first_points)
        lake = load_lake(lake.path) if lake.groups else lake
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
        total = sum(len(names) for names in found.values())
        out.line(f"{counted(total, 'measurement')} found, {len(matches):,} of them by patterns. Kept in {state}")
        for name, listing in listed.items():
            if said := listing.left_out(lake.named(name)):
                out.line(f"{name}: {said}. The server lists them until it deletes them; no pattern stands for one.")
        facts = {
            name: _facts(name, found[name], matches, listed[name].unnamed_apart(lake.named(name))[1]) for name in found
        }
        aside = [
            {"source": source, "measurement": name, "reason": reason}
            for (source, name), reason in resolved.set_aside.items()
        ]
        out.result({"state": str(state), "sources": facts, "set_aside": aside})


def _in_databases(lake: Lake) -> dict[str, Listing]:
    """The tables of every database that is meant by an entry for many of them, by source."""
    from influx_lake.sources import open_source
    from influx_lake.sources.databases import databases_of
    from influx_lake.sources.listing import listing_of

    found = {}
    for group in lake.groups:
        for name, config in group.sources(group.wanted(databases_of(group.server))).items():
            with closing(open_source(config)) as source:
                found[name] = listing_of(source)
    return found


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
