"""Rows that wait on disk until all of them are there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from influx_lake.temporary_files import temporary_errors


@contextmanager
def spooled(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Take all batches, then give them back, with the memory of one of them.

    They wait in a file of $TMPDIR without a name, which is gone with the context and with the process.

    Raises:
        StorageError: The file cannot be written.
    """
    with temporary_errors():
        opened = tempfile.TemporaryFile(prefix="influx-lake-")  # noqa: SIM115
    with opened as file:
        writer = pa.ipc.new_stream(file, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
        for batch in batches:
            with temporary_errors(file.tell()):
                writer.write_batch(batch)
        with temporary_errors(file.tell()):
            writer.close()
            file.seek(0)
        with pa.ipc.open_stream(file) as reader:
            yield iter(reader)
