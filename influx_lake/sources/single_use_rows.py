"""The rows of an answer as a `RowStream`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


class SingleUseRows:
    """Batches of one schema that can be iterated once; those without rows, by which servers show life, are left out."""

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self.schema = schema
        self._batches = batches
        self._taken = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._taken:
            raise RuntimeError("the rows of an answer can be read once: a second time they would seem to be none")
        self._taken = True
        return filter(len, self._batches)
