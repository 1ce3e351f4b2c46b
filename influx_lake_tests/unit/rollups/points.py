"""A measurement's table, its roll-ups, and the same computed in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement
from influx_lake.config.measurements.rollups import Rollup, parse_function
from influx_lake.config.values.buckets import parse_bucket
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.loading import load_rows
from influx_lake.rollups.window import RollupWindow
from testbed.loads import load_of

START = parse_moment("2026-01-01")
SCHEME = Scheme(Every.DAY, START)
CPU = Measurement("cpu", "cpu", "default", "telemetry", ("telemetry",), "cpu", SCHEME)
SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("ns"), nullable=False),
        ("host", pa.string()),
        ("region", pa.string()),
        ("usage", pa.float64()),
        ("count", pa.int64()),
        ("bytes", pa.decimal128(20, 0)),
        ("up", pa.bool_()),
        ("state", pa.string()),
    ]
)
TAGS = ("host", "region")
TARGET = TableTarget(CPU.identifier, key=TAGS, tags=TAGS)

Row = dict[str, Any]


def day(number: int = 0, days: int = 1) -> Window:
    start = START + timedelta(days=number)
    return Window(start, start + timedelta(days=days))


FIRST_DAY = day()


def rollup(every: str = "1h", functions: Sequence[str] = (), **options: Any) -> Rollup:
    fields = {name: tuple(map(parse_function, asked)) for name, asked in options.pop("fields", {}).items()}
    base = Rollup("r", ("telemetry",), "cpu_r", parse_bucket(every), functions=tuple(map(parse_function, functions)))
    return replace(base, fields=fields, **options)


def load(
    catalog: Catalog,
    rows: Iterable[Row],
    window: Window = FIRST_DAY,
    schema: pa.Schema = SCHEMA,
    *,
    complete_until: datetime | None = None,
    **options: Any,
) -> None:
    """Put rows into the measurement's table, in place of those of a window."""
    table = pa.Table.from_pylist([{**row, "time": row["time"].replace(tzinfo=None)} for row in rows], schema=schema)
    target = replace(TARGET, **options)
    provenance = Provenance("test://telemetry", "run")
    made = load_of(catalog, target, table.to_reader(1000), window, provenance, complete_until=complete_until)
    replace_window(made)


class Rolled(NamedTuple):
    """A window of a roll-up that was loaded."""

    points: int
    rows: int
    commit: WindowResult


def rolled(catalog: Catalog, of: Rollup, window: Window = FIRST_DAY, measurement: Measurement = CPU) -> Rolled:
    rows = RollupWindow(catalog, measurement, of, window, "run")
    done = load_rows(rows)
    return Rolled(rows.points, done.rows, done)


def held(catalog: Catalog, of: Rollup, by: Sequence[str] = TAGS) -> list[Row]:
    """Every row of a roll-up's table, in order."""
    table = catalog.load_table(of.identifier)
    rows: list[Row] = read_windows(table, [day(-400, 1200)]).read_all().to_pylist()
    return sorted(rows, key=lambda row: (row["time"], *(_order(row[name]) for name in by)))


def expected(
    rows: Iterable[Row], start_of: Callable[[datetime], datetime], fields: dict[str, Sequence[str]], by: Sequence[str]
) -> list[Row]:
    """The rows of a roll-up, computed one by one."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[(start_of(row["time"]), *(row[name] for name in by))].append(row)
    found = []
    for key in sorted(groups, key=lambda key: (key[0], *map(_order, key[1:]))):
        result: Row = dict(zip(("time", *by), key, strict=True))
        for name, functions in fields.items():
            values = [(row["time"], row[name]) for row in groups[key] if row[name] is not None]
            result |= {f"{name}_{function}".replace(".", "_"): aggregate(function, values) for function in functions}
        found.append(result)
    return found


def aggregate(function: str, timed: Sequence[tuple[datetime, Any]]) -> Any:
    values = [value for _, value in timed]
    if function == "count":
        return len(values)
    if not values:
        return None
    if function.startswith("p"):
        return percentile([float(value) for value in values], float(function[1:]) / 100)
    return {
        "mean": lambda: math.fsum(map(float, values)) / len(values),
        "min": lambda: min(values),
        "max": lambda: max(values),
        "sum": lambda: math.fsum(values) if isinstance(values[0], float) else sum(values),
        "first": lambda: min(timed)[1],
        "last": lambda: max(timed)[1],
    }[function]()


def percentile(values: list[float], share: float) -> float:
    """Between the two nearest values, in proportion."""
    place, ordered = share * (len(values) - 1), sorted(values)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return below + (above - below) * (place - math.floor(place))


def same(one: list[Row], other: list[Row]) -> bool:
    """Whether rows are equal, but for the last digits of floats."""
    return len(one) == len(other) and all(
        left.keys() == right.keys() and all(_close(left[name], right[name]) for name in left)
        for left, right in zip(one, other, strict=True)
    )


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def _order(value: str | None) -> tuple[bool, str]:
    return value is not None, value or ""
