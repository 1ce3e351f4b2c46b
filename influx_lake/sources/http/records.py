"""Answers in CSV, cut where a record ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from influx_lake.sources.http.failures import HttpFailures


def whole_records(chunks: Iterable[bytes], failures: HttpFailures, at_once: int) -> Iterator[tuple[bytes, bool]]:
    """The stream in parts that end where a record does, at the end of a line outside of quotes, and last what is left.

    Args:
        chunks: The stream.
        failures: Makes the errors.
        at_once: How many bytes a part has at least.

    Yields:
        A part and False; at the end, once, what came behind the last part and True. That may be nothing, and only that
        can lack its end.

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
        # A record without end would be looked through again with each chunk.
        wanted = max(at_once, 2 * size)
    text = b"".join(pending)
    failures.check_lines(text)
    yield text, True


def _last_end(text: bytes) -> int:
    """Behind the last end of a line that is not in quotes; 0 where there is none."""
    end = text.rfind(b"\n") + 1
    quotes = _quotes(text[:end])
    while end and quotes % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', before, end)
        end = before
    return end


def _quotes(text: bytes) -> int:
    # Looking for a byte is several times as fast as counting it.
    return text.count(b'"') if b'"' in text else 0
