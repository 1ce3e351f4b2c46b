"""The command `influx-lake status`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from influx_lake.cli.options import ConfigOption, JsonOption, Measurements
from influx_lake.cli.output import add_row, counted, output, plain_table

if TYPE_CHECKING:
    from influx_lake.config.values.windows import Window
    from influx_lake.replication.status import MeasurementStatus
    from influx_lake.replication.streams.ledger import Ledger

BAR_WIDTH = 30
_BLOCKS = " ▁▂▃▄▅▆▇█"


def status(names: Measurements = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how much of each measurement is in the lake."""
    from influx_lake.cli.session import open_session
    from influx_lake.replication.facts import status_facts
    from influx_lake.replication.status import measurement_status
    from influx_lake.replication.streams.facts import stream_facts, stream_states

    with output(as_json) as out, open_session(config) as session:
        now = datetime.now(UTC)
        table = plain_table(
            "measurement",
            "table",
            "windows",
            "coverage",
            "rows",
            "behind",
            "last snapshot",
            right=["windows", "rows", "behind"],
        )
        lines, facts, missing = list[str](), list[dict[str, Any]](), 0
        for measurement in session.measurements(names):
            # One at a time: there may be thousands.
            each = measurement_status(session.catalog, measurement, now)
            add_row(table, *_row(each, now))
            if each.others:
                lines.append(f"{measurement.name}: the table {measurement.table_name} was {each.others}")
            lines += (f"{measurement.name}, table {measurement.table_name}: {remark}" for remark in each.remarks)
            missing += len(each.missing)
            if as_json:
                facts.append(status_facts(each))
        out.table(table)
        for line in lines:
            out.line(line)
        streams = stream_states(session.lake, session.catalog) if not names else {}
        for name, ledger in streams.items():
            out.line(stream_line(name, ledger, now))
        if missing:
            out.line(f"{counted(missing, 'window')} missing. See: influx-lake plan. Load: influx-lake replicate --all")
        told = {"streams": [stream_facts(name, each, now) for name, each in streams.items()]} if streams else {}
        out.result({"measurements": facts, **told})


def stream_line(name: str, ledger: Ledger | None, now: datetime) -> str:
    """How far a stream is, in a line."""
    from influx_lake.replication.streams.facts import stream_facts

    if ledger is None:
        return f"stream {name}: never ran. Start it: influx-lake stream {name}"
    facts, caught_up = stream_facts(name, ledger, now), ledger.caught_up_at
    parts = [
        f"{facts['messages']:,} messages",
        f"{facts['lag_messages']:,} to come",
        f"level with its topics {time_behind(now - caught_up)} ago" if caught_up else "never level with its topics",
        f"heard of {time_behind(now - ledger.written_at)} ago",
    ]
    if ledger.dead_letters:
        parts.append(f"{ledger.dead_letters:,} dead letters")
    if ledger.unmatched:
        strangers = ", ".join(f"{each} ({count:,})" for each, count in ledger.unmatched.items())
        parts.append(f"of no measurement of lake.yaml: {strangers}")
    return f"stream {name}: {'; '.join(parts)}"


def coverage_bar(expected: Sequence[Window], missing: Sequence[Window], width: int = BAR_WIDTH) -> str:
    """A bar of the coverage, oldest time on the left: a full block for complete, a blank for none."""
    if not expected:
        return ""
    cells = min(width, len(expected))
    bar = ""
    for cell in range(cells):
        first, last = cell * len(expected) // cells, (cell + 1) * len(expected) // cells
        absent = _before(missing, expected[last - 1].end) - _before(missing, expected[first].start)
        loaded, windows = last - first - absent, last - first
        # Never rounded to full or empty: those two are what people look for.
        level = len(_BLOCKS) - 1 if loaded == windows else max(loaded > 0, loaded * (len(_BLOCKS) - 1) // windows)
        bar += _BLOCKS[level]
    return f"▕{bar}▏"


def _before(windows: Sequence[Window], moment: datetime) -> int:
    """How many windows, which are in order, begin before a time."""
    from influx_lake.replication.planning.closed import ClosedWindows

    if isinstance(windows, ClosedWindows):
        return windows.before(moment)
    return bisect_left(windows, moment, key=attrgetter("start"))


def time_behind(lag: timedelta) -> str:
    """A duration in its two largest units: `3 d 4 h`."""
    seconds = max(0, int(lag.total_seconds()))
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _row(status: MeasurementStatus, now: datetime) -> list[str]:
    measurement = status.measurement
    if not status.table_exists:
        last = "no table yet"
    else:
        last = f"{status.last_snapshot_at:%Y-%m-%d %H:%M:%S}Z" if status.last_snapshot_at else "none"
    return [
        measurement.name,
        measurement.table_name,
        f"{status.loaded:,} of {len(status.expected):,}",
        coverage_bar(status.expected, status.missing),
        f"{status.rows:,}",
        time_behind(now - status.newest) if status.newest else "",
        last,
    ]
