"""Files of any file system, as streams of bytes."""

from influx_lake.sources.files.place import FilePlace, StoredFile
from influx_lake.sources.files.reading import read_chunks

__all__ = ["FilePlace", "StoredFile", "read_chunks"]
