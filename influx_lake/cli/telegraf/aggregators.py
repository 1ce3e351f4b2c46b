"""Converts aggregators to roll-ups: `basicstats`, `minmax` and the like with a period."""

from __future__ import annotations

from typing import Any

from influx_lake.cli.telegraf.document import Plugin
from influx_lake.cli.telegraf.filters import ColumnFilter, NameFilter
from influx_lake.cli.telegraf.remarks import Remarks
from influx_lake.config.measurements.rollups import Aggregate
from influx_lake.config.values.buckets import parse_bucket
from influx_lake.config.values.patterns import is_pattern

_STATS = {
    "basicstats": ("count", "min", "max", "mean", "variance", "stdev"),
    "minmax": ("min", "max"),
}


def rollup(plugin: Plugin, measurement: str, remarks: Remarks) -> tuple[str, dict[str, Any]] | None:
    """The roll-up that an aggregator makes of a measurement, with its name; None where it makes none."""
    if not NameFilter.of(plugin).takes(measurement):
        return None
    if plugin.name not in _STATS:
        remarks.leave_out(plugin, "computes what roll-ups do not")
        return None
    period = str(plugin.options.get("period") or "30s")
    try:
        every = str(parse_bucket(period))
    except ValueError as error:
        remarks.leave_out(plugin, f"a roll-up of {period}: {error}", "period")
        return None
    stats = plugin.texts("stats") or list(_STATS[plugin.name])
    functions = [stat for stat in stats if stat in tuple(Aggregate)]
    if others := [stat for stat in stats if stat not in functions]:
        remarks.leave_out(plugin, f"roll-ups have no {', '.join(others)}", "stats")
    if not functions:
        return None
    include, exclude = ColumnFilter.of(plugin).fields
    options: dict[str, Any] = {"every": every}
    if include and not exclude and not any(map(is_pattern, include)):
        options["fields"] = dict.fromkeys(include, functions)
    else:
        options["functions"] = functions
        if include or exclude:
            remarks.leave_out(plugin, "a roll-up is of all fields, or names each of them", "fieldinclude")
    remarks.note(
        plugin,
        "a roll-up is a table of its own, of all points of the lake; Telegraf writes its results as points of the same "
        "measurement, and those that it wrote are columns of its table",
    )
    return f"{plugin.name}_{every}", options
