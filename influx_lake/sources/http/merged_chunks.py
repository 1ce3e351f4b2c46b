"""Merges what arrives in small pieces: InfluxDB 2 sends 4 KB at a time, and each read and each chunk has a cost."""

from __future__ import annotations

import re
import ssl
import time
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from socket import SocketIO, socket

_BUFFERED = 1 << 18
_LARGE = 1 << 20
_FEW = 1 << 16
_PAUSE = 0.001
_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")
_BETWEEN = re.compile(rb"\r\n([0-9a-fA-F]{1,8})\r\n")
_END = b"\r\n"


class Response(HTTPResponse):
    """The response of http.client, with a larger buffer and merged chunks."""

    def __init__(self, sock: socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        # TLS is read record by record, however much has arrived.
        if isinstance(sock, ssl.SSLSocket):
            self.fp = sock.makefile("rb", _BUFFERED)  # type: ignore[assignment]
        else:
            self.fp = BufferedReader(GatheredReads(sock.makefile("rb", 0)), _BUFFERED)

    def begin(self) -> None:
        super().begin()
        if self.chunked and self.fp is not None:
            self.fp = MergedChunks(self.fp)  # type: ignore[assignment]


class GatheredReads(RawIOBase):
    """The bytes of a socket, for which the reader of a large response pauses where few arrive at a time.

    A reader that is faster than its server would be woken for every few kilobytes, which costs more than decoding them.
    In a millisecond a server on the same network sends ten times as much. Small responses are read without a pause.

    Args:
        raw: The unbuffered bytes of the socket.
    """

    def __init__(self, raw: SocketIO) -> None:
        self._raw = raw
        self._received = 0
        self._trickles = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._trickles and self._received >= _LARGE:
            time.sleep(_PAUSE)
        count = self._raw.readinto(buffer)
        self._received += count or 0
        self._trickles = (count or 0) < min(_FEW, len(buffer))
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class MergedChunks:
    """A chunked body for urllib3, in which whole chunks that are in the buffer are merged into one.

    Everything else is passed on unchanged: the last chunk, one with an extension, malformed ones.

    Args:
        raw: The body.
    """

    def __init__(self, raw: BufferedReader) -> None:
        self._raw = raw
        self._merged: list[bytes] = []

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
        self._merged = [_END, content]
        return b"%x\r\n" % len(content)

    def read(self, size: int = -1) -> bytes:
        """Bytes of the merged chunks, else of the body."""
        if not self._merged:
            return self._raw.read(size)
        found = self._merged.pop()
        if not 0 <= size <= len(found):
            found, self._merged = b"".join([found, *self._merged]), []
        if 0 <= size < len(found):
            self._merged.append(found[size:])
            found = found[:size]
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
