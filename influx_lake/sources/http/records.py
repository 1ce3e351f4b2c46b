"""Cuts CSV responses at the ends of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from influx_lake.sources.http.failures import HttpFailures


def whole_records(chunks: Iterable[bytes], failures: HttpFailures, at_once: int) -> Iterator[tuple[bytes, bool]]:
    """The stream in parts that end with a record (at a line break outside of quotes), and last the rest.

    Args:
        chunks: The stream.
        failures: Makes the errors.
        at_once: The least bytes of a part.

    Yields:
        A part and False; at the end, once, the rest and True. The rest may be empty, and is the only one that can be
        incomplete.

    Raises:
        AnswerTooLarge: A line, or a record, is larger than the source's `max_document`.
    """
    pending, size, wanted = list[bytes](), 0, at_once
    for chunk in chunks:
        size += len(chunk)
        if size < wanted:
            pending.append(chunk)
            continue
        end = chunk.rfind(b"\n") + 1
        text, rest = b"".join([*pending, chunk[:end]]), chunk[end:]
        if not end or _quotes(text) % 2:
            text += rest
            end = _last_end(text)
            text, rest = text[:end], text[end:]
        if text:
            failures.check_lines(text)
            yield text, False
        pending, size = [rest], len(rest)
        failures.check_size(size)
        # Else a long record would be searched again with each chunk.
        wanted = max(at_once, 2 * size)
    text = b"".join(pending)
    failures.check_lines(text)
    yield text, True


def _last_end(text: bytes) -> int:
    """The position after the last line break outside of quotes; 0 where there is none."""
    end = text.rfind(b"\n") + 1
    quotes = _quotes(text[:end])
    while end and quotes % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', before, end)
        end = before
    return end


def _quotes(text: bytes) -> int:
    # Searching for a byte is several times as fast as counting it.
    return text.count(b'"') if b'"' in text else 0
