"""`influx-lake discover`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import counted, output, plain_table

if TYPE_CHECKING:
    from influx_lake.cli.session import Session
    from influx_lake.config import Measurement, Pattern


def discover(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Ask each InfluxDB which measurements it has, and keep the answer for the patterns of the lake.yaml."""
    from influx_lake.cli.session import open_session
    from influx_lake.config import write_discovered

    with output(as_json) as out, open_session(config) as session:
        lake = session.lake
        sources = list(dict.fromkeys(pattern.source for pattern in lake.patterns)) or list(lake.sources)
        found = {name: session.source(name).measurements() for name in sources}
        matches = [each for name, names in found.items() for each in _matches(session, name, names)]
        state = write_discovered(lake.root, found)
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


def _matches(session: Session, source: str, names: list[str]) -> list[tuple[Pattern, Measurement]]:
    session.lake.resolve(source, names)  # two measurements of one table are refused before anything is kept
    return session.lake.match(source, names)


def _facts(source: str, names: list[str], matches: list[tuple[Pattern, Measurement]]) -> dict[str, object]:
    return {
        "measurements": names,
        "matched": [
            {"measurement": measurement.name, "pattern": pattern.text, "table": measurement.table_name}
            for pattern, measurement in matches
            if measurement.source == source
        ],
    }
