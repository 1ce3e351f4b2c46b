"""Live rows of a source as an Arrow dataset with filter and column push-down, for DuckDB and Polars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import fs

from influx_lake.arrow.buffers import aligned
from influx_lake.config.values.windows import Window, merged
from influx_lake.errors import LakeError

_MOST_SLICES = 1_000
_SHORTEST = timedelta(minutes=1)

Read = Callable[[Window], Iterator[pa.RecordBatch]]
"""Reads the rows of some windows."""


class LiveRows(ds.Dataset):  # type: ignore[misc]
    """The rows of some windows as an Arrow dataset, read when a query runs.

    Conditions on time are pushed down to the source; all conditions are applied to the rows.

    Args:
        schema: The columns.
        time_column: The name of the time column.
        windows: The windows.
        read: Reads the rows of some windows; called again for each query.

    Attributes:
        windows: The time.
        failures: Errors of reading, since engines report them as text only.
    """

    def __init__(
        self,
        schema: pa.Schema,
        time_column: str,
        windows: Sequence[Window],
        read: Read,
        failures: list[LakeError] | None = None,
    ) -> None:
        self._schema = schema
        self._time = schema.get_field_index(time_column)
        self._read = read
        self.windows = tuple(windows)
        self.failures = [] if failures is None else failures

    @property
    def schema(self) -> pa.Schema:
        """The schema."""
        return self._schema

    def named(self, names: Sequence[str]) -> LiveRows:
        """The same rows with other column names."""
        schema = pa.schema([field.with_name(name) for field, name in zip(self._schema, names, strict=True)])
        return LiveRows(schema, names[self._time], self.windows, self._read, self.failures)

    def scanner(self, columns: Any = None, filter: Any = None, **_: Any) -> ds.Scanner:  # noqa: A002
        """The scanner that a query reads."""
        batches = self._batches(self._windows_for(filter))
        return ds.Scanner.from_batches(batches, schema=self._schema, columns=columns, filter=filter)

    def to_batches(self, **options: Any) -> Iterator[pa.RecordBatch]:
        """The rows that match a filter, as batches."""
        found: Iterator[pa.RecordBatch] = self.scanner(**options).to_batches()
        return found

    def _batches(self, windows: Sequence[Window]) -> Iterator[pa.RecordBatch]:
        for window in windows:
            try:
                for batch in self._read(window):
                    yield pa.RecordBatch.from_arrays([*map(aligned, batch.columns)], schema=self._schema)
            except LakeError as error:
                self.failures.append(error)
                raise

    def _windows_for(self, condition: Any) -> tuple[Window, ...]:
        """The windows in which a filter can be true; Arrow simplifies it as for the fragments of a dataset."""
        if condition is None:
            return self.windows
        field, nowhere, form = self._schema.field(self._time), fs.LocalFileSystem(), ds.ParquetFileFormat()
        pieces = [piece for window in self.windows for piece in _slices(window)]

        def moment(value: datetime) -> pa.Scalar:
            return pa.scalar(value.replace(tzinfo=None), pa.timestamp("us", field.type.tz)).cast(field.type)

        fragments = [
            form.make_fragment(
                str(number),
                nowhere,
                (pc.field(field.name) >= moment(piece.start)) & (pc.field(field.name) < moment(piece.end)),
            )
            for number, piece in enumerate(pieces)
        ]
        kept = ds.FileSystemDataset(fragments, self._schema, form).get_fragments(condition)
        return merged(pieces[int(fragment.path)] for fragment in kept)


def _slices(window: Window) -> Iterator[Window]:
    length = max((window.end - window.start) / _MOST_SLICES, _SHORTEST)
    start = window.start
    while start < window.end:
        end = min(start + length, window.end)
        yield Window(start, end)
        start = end
