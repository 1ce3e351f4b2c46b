"""The rows of a response as a `RowStream`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


class SingleUseRows:
    """Batches of one schema that can be iterated once; empty ones, which some servers send as keep-alive, are
    skipped.
    """

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self.schema = schema
        self._batches = batches
        self._taken = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._taken:
            raise RuntimeError("the rows of a response can be read only once")
        self._taken = True
        return filter(len, self._batches)
