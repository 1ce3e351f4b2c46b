"""Reads a text file in blocks of whole lines: each as a whole, or line by line where that fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from influx_lake.arrow.byte_places import count_of
from influx_lake.sources.files.limits import FileLimits


def count_lines(text: bytes | memoryview) -> int:
    """The number of line breaks."""
    return count_of(ord("\n"), text)


@dataclass(slots=True)
class TextBlocks:
    """The blocks of a file that is read in chunks of any size.

    Attributes:
        chunks: The file's chunks.
        uri: The file, for messages.
        limits: The limit on the length of lines.
        passed: The number of lines that were read or skipped.
    """

    chunks: Iterator[bytes]
    uri: str
    limits: FileLimits
    passed: int = 0
    _block: bytes = b""
    _at: int = 0
    _rest: bytes = b""

    def block(self) -> memoryview | None:
        """The rest of the block, or the next one; None at the end. Only the last one may lack a line break.

        Raises:
            FileUnreadable: A line is too long.
        """
        if self.between:
            self._block, self._at = self._next(), 0
            if len(self._block) > self.limits.max_document:
                for number, line in enumerate(self._block.split(b"\n"), start=1):
                    self.limits.check_line(len(line), self.uri, self.passed + number)
        return memoryview(self._block)[self._at :] if self._block else None

    @property
    def between(self) -> bool:
        """Whether the position is between two blocks."""
        return self._at == len(self._block)

    def pass_over(self) -> None:
        """Skip the rest of the block, which was read as a whole."""
        self.passed += count_lines(memoryview(self._block)[self._at :])
        self._at = len(self._block)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield lines from the position on, with their numbers; the position moves with each."""
        while self.block() is not None:
            begin, self._at = self._at, self._block.find(b"\n", self._at) + 1 or len(self._block)
            self.passed += 1
            yield self.passed, self._block[begin : self._at]

    def _next(self) -> bytes:
        parts, size = [self._rest], len(self._rest)
        self._rest = b""
        for chunk in self.chunks:
            cut = chunk.rfind(b"\n") + 1
            if cut:
                self._rest = chunk[cut:]
                return b"".join([*parts, memoryview(chunk)[:cut]])
            parts.append(chunk)
            size += len(chunk)
            self.limits.check_line(size, self.uri, self.passed + 1)
        return b"".join(parts)
