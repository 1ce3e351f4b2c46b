"""InfluxQL: only SHOW MEASUREMENTS and SHOW DATABASES; the sandbox does not support queries of data."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

from influx_lake.sandbox.storage.store import Store

_SHOW = re.compile(r"\s*show\s+(measurements|databases)\s*;?\s*\Z", re.IGNORECASE)
MEASUREMENT_COLUMN = "iox::measurement"


class NotSupported(Exception):
    """The InfluxQL statement is not supported by the sandbox."""


class Listing:
    """A list of names as a result."""

    def __init__(self, table: pa.Table) -> None:
        self.schema: pa.Schema = table.schema
        self._table = table

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._table.to_batches()


def answer(store: Store, database: str | None, query: str) -> Listing:
    """Run SHOW MEASUREMENTS and SHOW DATABASES.

    Raises:
        NotSupported: for anything else.
        DatabaseNotFound: if the database is unknown.
    """
    match = _SHOW.match(query)
    if match is None:
        raise NotSupported("the sandbox supports only SHOW MEASUREMENTS and SHOW DATABASES in InfluxQL; use SQL")
    if match[1].lower() == "databases":
        names = store.database_names()
        return Listing(pa.table({"iox::database": pa.array(names, pa.string()), "deleted": [False] * len(names)}))
    if database is None:
        raise NotSupported("SHOW MEASUREMENTS needs the parameter 'db'")
    return _listing("measurements", sorted(store.database(database).tables))


def _listing(group: str, names: list[str]) -> Listing:
    schema = pa.schema([pa.field(MEASUREMENT_COLUMN, pa.string(), False), pa.field("name", pa.string(), False)])
    return Listing(pa.table([[group] * len(names), names], schema=schema))
