"""Reads files of any file system as streams of bytes."""

from influx_lake.sources.files.limits import FileLimits
from influx_lake.sources.files.place import FilePlace, StoredFile
from influx_lake.sources.files.reading import numbered_lines, read_chunks

__all__ = ["FileLimits", "FilePlace", "StoredFile", "numbered_lines", "read_chunks"]
