"""Merges small HTTP chunks into larger ones: InfluxDB 2 sends 4 KB at a time, and each chunk has a cost in urllib3."""

from __future__ import annotations

import re
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from io import BufferedReader
    from socket import socket

_BUFFERED = 1 << 18
_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")
_BETWEEN = re.compile(rb"\r\n([0-9a-fA-F]{1,8})\r\n")
_END = b"\r\n"


class Response(HTTPResponse):
    """The response of http.client, with a larger buffer and merged chunks."""

    def __init__(self, sock: socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = sock.makefile("rb", _BUFFERED)  # type: ignore[assignment]

    def begin(self) -> None:
        super().begin()
        if self.chunked and self.fp is not None:
            self.fp = MergedChunks(self.fp)  # type: ignore[assignment]


class MergedChunks:
    """A chunked body for urllib3, in which whole chunks that are in the buffer are merged into one.

    Everything else is passed on unchanged: the last chunk, one with an extension, malformed ones.

    Args:
        raw: The body.
    """

    def __init__(self, raw: BufferedReader) -> None:
        self._raw = raw
        self._merged = b""

    def readline(self, limit: int = -1) -> bytes:
        """A line, such as the size of the next chunk."""
        line = self._raw.readline(limit)
        first = _SIZE.fullmatch(line)
        if first is None:
            return line
        buffered = self._raw.peek()
        view = memoryview(buffered)
        parts, size, start, end = list[memoryview](), int(first[1], 16), 0, 0
        between = _END + line
        while size:
            # Most chunks are as large as the one before.
            while buffered.startswith(between, start + size):
                parts.append(view[start : start + size])
                end, start = start + size + len(_END), start + size + len(between)
            other = _BETWEEN.match(buffered, start + size)
            if other is None:
                break
            parts.append(view[start : start + size])
            end, start = start + size + len(_END), other.end()
            between, size = other[0], int(other[1], 16)
        if len(parts) < 2:
            return line
        self._raw.read(end)
        content = b"".join(parts)
        self._merged = content + _END
        return b"%x\r\n" % len(content)

    def read(self, size: int = -1) -> bytes:
        """Bytes of the merged chunks, else of the body."""
        if not self._merged:
            return self._raw.read(size)
        found, self._merged = (self._merged, b"") if size < 0 else (self._merged[:size], self._merged[size:])
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
