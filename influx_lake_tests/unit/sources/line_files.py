"""Files of line protocol for tests, and what a source makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from influx_lake.config import LineProtocolConfig
from influx_lake.config.values.windows import Window
from influx_lake.sources import Source, open_source

ALWAYS = Window(datetime(1677, 9, 1, tzinfo=UTC), datetime(2262, 5, 1, tzinfo=UTC))


def line_source(folder: Path, path: str | list[str] | None = None, **options: Any) -> Source:
    """A source of the files of a folder."""
    # A lake.yaml takes no limit that so few files reach.
    small = {name: options.pop(name) for name in ("staging_limit",) if name in options}
    given = {
        "type": "line_protocol",
        "path": path or str(folder / "*.lp*"),
        "database": "telemetry",
        "staging": str(folder / "staging"),
        **options,
    }
    return open_source(LineProtocolConfig.model_validate(given).model_copy(update=small))


def rows_of(source: Source, measurement: str, window: Window = ALWAYS) -> list[dict[str, Any]]:
    """The rows of a window; times in nanoseconds, without what is missing."""
    with source.read(source.schema(measurement), window) as stream:
        table = pa.Table.from_batches(stream, stream.schema)
    table = table.set_column(0, "time", table.column("time").cast(pa.int64()))
    return [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
