"""Parts of a text file that are parsed separately. A record belongs to the part that it begins in.

In the middle of a file it is not known where a record begins: a string of several lines may hold what looks like one. A
part that is parsed without the parts before it therefore begins at a guess. The result is right if the part before it
ended at the same `Place`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from influx_lake.sources.files.failures import file_errors
from influx_lake.sources.files.file_check import HEAD_BYTES, compression_of
from influx_lake.sources.files.place import StoredFile

END = 2**62
"""A place behind whatever a file holds."""
_LINES_APART = 65_536
"""How many bytes after the end of a part are read line by line, so that parsing stops as early as possible."""
_READ_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two records of a file, with the state of the parser: two parsers at equal places continue alike.

    Attributes:
        offset: The number of bytes before it.
        lines: The number of lines before it.
        context: What they set for the lines after them: the columns of a CSV header, the database of an export.
    """

    offset: int = 0
    lines: int = 0
    context: object = None


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part of a file: the records that begin in it.

    Attributes:
        begin: Its first byte.
        end: The byte after its last one; `END` for the end of the file.
        start: The place where parsing begins; None for a guess.
    """

    begin: int = 0
    end: int = END
    start: Place | None = None


WHOLE = FilePart(start=Place())


@dataclass(slots=True)
class PartChunks:
    """The bytes of a part in chunks of any size, up to the end of the last record that begins in the part.

    Attributes:
        chunks: The bytes of the file from its start on.
        at: The offset of the next byte.
        end: The byte after the part.
        between: Tells whether the bytes so far end with a complete record.
    """

    chunks: Iterable[bytes]
    at: int
    end: int
    between: Callable[[], bool] = lambda: True
    _at_line: bool = field(default=True)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            begin = 0
            while begin < len(chunk):
                if self._is_done():
                    return
                cut = self._cut(chunk, begin)
                piece = chunk[begin:cut]
                self.at, self._at_line, begin = self.at + len(piece), piece.endswith(b"\n"), cut
                yield piece

    def _is_done(self) -> bool:
        return self.at >= self.end and self._at_line and self.between()

    def _cut(self, chunk: bytes, begin: int) -> int:
        """Where a piece ends that begins somewhere in a chunk: at the first line's end from the part's end on."""
        ahead, behind = self.end - 1 - self.at, self.at - self.end
        if behind > _LINES_APART:
            # A text that is not closed may go on for long, and is looked at from its begin each time.
            ahead = behind
        return chunk.find(b"\n", begin + max(0, ahead)) + 1 or len(chunk)


def is_divisible(file: StoredFile) -> bool:
    """Whether parts of a file can be read: it is not compressed, and no part of its last line may be missing.

    Raises:
        SourceError: It cannot be opened, or is compressed with what is not read.
    """
    with file_errors(file.uri), file.system.open_input_file(file.path) as stream:
        if compression_of(bytes(stream.read_at(HEAD_BYTES, 0)), file.uri) is not None:
            return False
        return bytes(stream.read_at(1, stream.size() - 1)) == b"\n"


def head_of(file: StoredFile, size: int) -> bytes:
    """The first bytes of a file that is not compressed, to the end of a line.

    Raises:
        SourceError: It cannot be opened.
    """
    with file_errors(file.uri), file.system.open_input_file(file.path) as stream:
        head = bytes(stream.read_at(size, 0))
    return head[: head.rfind(b"\n") + 1]


def first_line_from(file: StoredFile, begin: int, end: int) -> int | None:
    """Where the first line begins in some bytes of a file; None where none does.

    Raises:
        SourceError: It cannot be read.
    """
    with file_errors(file.uri), file.system.open_input_file(file.path) as stream:
        at = begin - 1
        while at < end - 1 and (some := bytes(stream.read_at(min(_READ_AT_ONCE, end - 1 - at), at))):
            if (found := some.find(b"\n")) >= 0:
                return at + found + 1
            at += len(some)
    return None
