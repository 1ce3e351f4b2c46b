"""Parses results of queries that group rows by window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from influx_lake.sources.influxdb3.declared_schema import Odd

BIN = "bin"
ROWS = {"rows": "count(*)"}


def groups(answer: pa.Table, odd: Odd) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The groups of a result: the start of each window, in microseconds since 1970, and its aggregates by name.

    Rows between the windows form a group without a start, which is left out.
    """
    if answer.column_names[:1] != [BIN] or not pa.types.is_timestamp(answer.schema.field(0).type):
        raise odd(f"the query groups rows by window, and the result has the columns {answer.column_names}")
    starts = answer.column(0).cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
    for start, group in zip(starts, answer.drop_columns([BIN]).to_pylist(), strict=True):
        if start is not None:
            yield start, group
