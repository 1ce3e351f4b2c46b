"""Example queries of a table, for each query engine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from influx_lake.config import Lake, Measurement
from influx_lake.sql_quoting import identifier, text_literal


@dataclass(frozen=True, slots=True)
class Snippet:
    """An example query.

    Attributes:
        engine: The query engine.
        code: The query.
    """

    engine: str
    code: str


def snippets(lake: Lake, measurement: Measurement, day: date) -> list[Snippet]:
    """Example queries of one day of a measurement, for each engine."""
    catalog = lake.catalog.name
    quoted = ".".join(map(identifier, (".".join(measurement.namespace), measurement.table)))
    nested = ".".join(map(identifier, (catalog, *measurement.identifier)))
    statement = f"SELECT * FROM {quoted} LIMIT 10"  # noqa: S608
    return [
        Snippet("Command line", f"influx-lake sql {shlex.quote(statement)}"),
        Snippet(
            "Polars",
            f"from influx_lake.frames import scan\n\nframe = scan({_python(measurement.full_name)}, "
            f'"{day}", "{day + timedelta(days=1)}")\nframe.head().collect()',
        ),
        Snippet(
            "DuckDB",
            f"from influx_lake.frames import scan\n\nrows = scan({_python(measurement.full_name)}, "
            f'"{day}", "{day + timedelta(days=1)}", engine="duckdb")\nrows.limit(10).show()',
        ),
        Snippet("Spark", _since(".".join(map(_ticked, (catalog, *measurement.identifier))), measurement, day, _ticked)),
        Snippet("Trino", _since(nested, measurement, day, identifier)),
        Snippet(
            "pyiceberg",
            "from pyiceberg.catalog import load_catalog\n\n"
            f"table = load_catalog({_python(catalog)}).load_table({measurement.identifier!r})\n"
            "table.scan(limit=10).to_arrow()",
        ),
    ]


def _since(table: str, measurement: Measurement, day: date, quoted: Callable[[str], str]) -> str:
    """An example query of the rows since a day, with an engine's quoting."""
    conditions = [f"{quoted(measurement.time_column)} >= TIMESTAMP '{day} 00:00:00 UTC'"]
    share = measurement.share
    if share is not None and not share.is_alone:
        conditions.insert(0, f"{quoted(share.column)} = {text_literal(share.value)}")
    return f"SELECT *\nFROM {table}\nWHERE {' AND '.join(conditions)}\nLIMIT 10"


def _ticked(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _python(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
