"""Rows that wait on disk until all of them are there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from influx_lake.errors import StorageError


@contextmanager
def spooled(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Take all batches, then give them back, with the memory of one of them.

    They wait in a file of $TMPDIR without a name, which is gone with the context and with the process.

    Raises:
        StorageError: The file cannot be written.
    """
    with tempfile.TemporaryFile(prefix="influx-lake-") as file:
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        try:
            with pa.ipc.new_stream(file, schema, options=options) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            file.seek(0)
        except OSError as error:
            raise StorageError(
                f"rows cannot be kept in {tempfile.gettempdir()} while they are read: {error}",
                remedy="Make room there, or set TMPDIR to a folder that has it",
            ) from None
        with pa.ipc.open_stream(file) as reader:
            yield iter(reader)
