"""Chunks that are in the buffer already come as one, and nothing else about the answer changes."""

from __future__ import annotations

import io
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import IncompleteRead
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.sources.http.merged_chunks import GatheredReads, MergedChunks, Response

parts = st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([b"\r\n", b"\r\n3\r\nabc\r\n", b"0\r\n\r\n"]))


def chunked(content: list[bytes], extension: bytes = b"") -> bytes:
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in content) + b"0\r\n\r\n"


def read(body: bytes, buffered: int) -> tuple[bytes, int]:
    """What a reader of chunks finds, and in how many."""
    raw = MergedChunks(io.BufferedReader(io.BytesIO(body), buffered))  # type: ignore[arg-type]
    found, count = b"", 0
    while size := int(raw.readline(100).split(b";")[0], 16):
        # Some at a time, as urllib3 does.
        while size:
            part = raw.read(min(size, 7))
            assert part
            found, size = found + part, size - len(part)
        assert raw.read(2) == b"\r\n"
        count += 1
    assert raw.readline(100) == b"\r\n"
    return found, count


@given(parts, st.integers(1, 200))
def test_the_content_is_the_same(content: list[bytes], buffered: int) -> None:
    assert read(chunked(content), buffered)[0] == b"".join(content)
    assert read(chunked(content, b";x=1"), buffered) == (b"".join(content), len(content))


def test_small_chunks_are_merged() -> None:
    found, count = read(chunked([b"x" * 100] * 1000), 1 << 18)
    assert (len(found), count) == (100_000, 1)


@given(parts.filter(bool), st.data())
def test_a_body_that_was_cut_is_not_whole(content: list[bytes], data: st.DataObject) -> None:
    body = chunked(content)
    length = data.draw(st.integers(0, len(body) - len(b"0\r\n\r\n")))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body[:length])
        theirs.close()
        answer = Response(ours)
        answer.begin()
        with pytest.raises(IncompleteRead):
            answer.read()


class Trickle(io.RawIOBase):
    """Bytes of which a few arrive at a time, as from a server that is slower than its reader."""

    def __init__(self, content: bytes, at_once: int) -> None:
        self.content = io.BytesIO(content)
        self.at_once = at_once

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.content.readinto(memoryview(buffer)[: self.at_once])


@pytest.mark.parametrize(
    ("size", "at_once", "pauses"), [(1 << 20, 4_000, 0), (1 << 21, 4_000, 263), (1 << 22, 1 << 17, 0)]
)
def test_only_a_large_answer_that_trickles_is_waited_for(
    size: int, at_once: int, pauses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = list[float]()
    monkeypatch.setattr("influx_lake.sources.http.merged_chunks.time.sleep", paused.append)
    content = random.Random(1).randbytes(size)
    reader = io.BufferedReader(GatheredReads(Trickle(content, at_once)), 1 << 18)  # type: ignore[arg-type]
    assert reader.read() == content
    assert abs(len(paused) - pauses) <= 2
    reader.close()


def test_a_large_answer_comes_whole_and_its_end_is_not_waited_for() -> None:
    content = random.Random(2).randbytes(3 << 20)
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as threads:
        body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(
            [content[at : at + 4_096] for at in range(0, len(content), 4_096)]
        )
        sending = threads.submit(theirs.sendall, body)
        answer = Response(ours)
        answer.begin()
        assert answer.read() == content
        sending.result()
