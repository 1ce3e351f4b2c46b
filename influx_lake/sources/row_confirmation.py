"""Counts what arrived of a window in ways that its server can count too."""

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
"""How many there are, by what is counted: `rows`, or `values of 'usage'`."""


class Tally(Protocol):
    """A way to count."""

    def of(self, batch: pa.RecordBatch) -> Counts:
        """What there is in some rows."""
        ...

    def there(self, window: Window) -> Counts:
        """What the server has.

        Raises:
            SourceError: It cannot tell.
        """
        ...


@runtime_checkable
class HasTally(Protocol):
    """A source that counts something else than rows."""

    def tally(self, schema: MeasurementSchema) -> Tally: ...


@dataclass(frozen=True, slots=True)
class RowTally:
    """Counts rows."""

    source: Source
    schema: MeasurementSchema

    def of(self, batch: pa.RecordBatch) -> Counts:
        return {"rows": len(batch)}

    def there(self, window: Window) -> Counts:
        return {"rows": selected_count(self.source, self.schema, window)}


def tally_of(source: Source, schema: MeasurementSchema) -> Tally:
    """The way in which a source counts."""
    return source.tally(schema) if isinstance(source, HasTally) else RowTally(source, schema)


@runtime_checkable
class Confirms(Protocol):
    """A source that says whether the rows that arrive are counted."""

    @property
    def confirms(self) -> bool: ...


def confirms_rows(source: Source) -> bool:
    """Whether rows of a source are to be held against what its server counts."""
    return not isinstance(source, Confirms) or source.confirms
