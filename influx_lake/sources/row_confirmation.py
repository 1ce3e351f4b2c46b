"""Confirms that all rows of a window arrived: counts of the received rows and the same counts from the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import pyarrow as pa

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.sources.protocol import Source
from influx_lake.sources.selected_counts import selected_count

Counts: TypeAlias = Mapping[str, int]
"""Counts by their subject: `rows`, or `values of 'usage'`."""


class RowConfirmation(Protocol):
    """Counts that both the client and the server of a source can make."""

    def arrived(self, batch: pa.RecordBatch) -> Counts:
        """The counts of a received batch."""
        ...

    def at_source(self, window: Window) -> Counts:
        """The counts of a window at the server.

        Raises:
            SourceError: The server did not answer the count.
        """
        ...


@runtime_checkable
class CountsValues(Protocol):
    """A source whose server counts values per field, since it cannot count rows."""

    def row_confirmation(self, schema: MeasurementSchema) -> RowConfirmation: ...


@dataclass(frozen=True, slots=True)
class _RowCountConfirmation:
    """Counts rows, by the source's own count of a window."""

    source: Source
    schema: MeasurementSchema

    def arrived(self, batch: pa.RecordBatch) -> Counts:
        return {"rows": len(batch)}

    def at_source(self, window: Window) -> Counts:
        return {"rows": selected_count(self.source, self.schema, window)}


def row_confirmation_of(source: Source, schema: MeasurementSchema) -> RowConfirmation:
    """The confirmation that a source offers; counts of rows unless it has its own."""
    return (
        source.row_confirmation(schema) if isinstance(source, CountsValues) else _RowCountConfirmation(source, schema)
    )


@runtime_checkable
class Confirms(Protocol):
    """A source whose configuration says whether received rows are confirmed."""

    @property
    def confirms(self) -> bool: ...


def confirms_rows(source: Source) -> bool:
    """Whether the received rows of a source are compared with the counts of its server."""
    return not isinstance(source, Confirms) or source.confirms
