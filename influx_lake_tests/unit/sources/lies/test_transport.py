"""Servers that lie, or break: each ends in an error of ours that says what came, or in the right rows, and soon."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest

from influx_lake.errors import (
    AnswerTooLarge,
    AuthenticationFailed,
    RowsMissing,
    SourceTimeout,
    SourceUnavailable,
    StreamBroken,
    UnexpectedAnswer,
)
from influx_lake_tests.unit.sources.lies import truth
from influx_lake_tests.unit.sources.lies.server import RESET, Http, LyingServer, Sent, drip, forever
from influx_lake_tests.unit.sources.lies.speakers import SPEAKERS, Lie, Outcome, fails, outcome

MUCH = b"x" * 3_000_000
LIES: dict[str, tuple[Lie, Outcome, str]] = {
    "nothing, with a length": (lambda body, kind, server: [Http(b"", kind).sized()], (StreamBroken, RowsMissing), ""),
    "nothing, in chunks": (lambda body, kind, server: [Http(b"", kind).chunked()], (StreamBroken, RowsMissing), ""),
    "nothing, and hangs up": (lambda body, kind, server: [Http(b"", kind).closed()], (StreamBroken, RowsMissing), ""),
    "only an end of a line": (
        lambda body, kind, server: [Http(b"\r\n", kind).sized()],
        (StreamBroken, RowsMissing),
        "",
    ),
    "only ends of lines": (
        lambda body, kind, server: [Http(b"\n\n\r\n\n", kind).chunked()],
        (StreamBroken, RowsMissing, UnexpectedAnswer),
        "",
    ),
    "no answer at all": (lambda body, kind, server: [], SourceUnavailable, "cannot be reached"),
    "reset at once": (lambda body, kind, server: [RESET], SourceUnavailable, "cannot be reached"),
    "reset in the middle": (
        lambda body, kind, server: [Http(body, kind).sized()[:-20], RESET],
        (StreamBroken, SourceUnavailable),
        "",
    ),
    "without the last chunk": (
        lambda body, kind, server: [Http(body, kind).chunked(end=b"")],
        StreamBroken,
        "broke off",
    ),
    "a length beyond the end": (
        lambda body, kind, server: [Http(body, kind).sized(len(body) + 1)],
        StreamBroken,
        "broke off",
    ),
    "a length before the end": (
        lambda body, kind, server: [Http(body, kind).sized(len(body) - 9)],
        (StreamBroken, RowsMissing),
        "",
    ),
    "a chunk of a bad length": (
        lambda body, kind, server: [Http(body, kind).chunked().replace(b"\r\n\r\nc8", b"\r\n\r\nxx")],
        StreamBroken,
        "broke off",
    ),
    "a chunk of a negative length": (
        lambda body, kind, server: [Http(body, kind).chunked().replace(b"\r\n\r\nc8", b"\r\n\r\n-8")],
        StreamBroken,
        "broke off",
    ),
    "stalls before it answers": (lambda body, kind, server: _wait(server), SourceTimeout, "no data arrived for 1 s"),
    "stalls in the middle": (
        lambda body, kind, server: _then_wait(Http(body, kind).sized()[:-50], server),
        (SourceTimeout, StreamBroken),
        "no data arrived for 1 s",
    ),
    "drips its status line": (
        lambda body, kind, server: drip(b"HTTP/1.1 200 " + b"O" * 9000, server.over),
        SourceTimeout,
        "no data arrived",
    ),
    "drips headers": (
        lambda body, kind, server: drip(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9000, server.over),
        SourceTimeout,
        "no data arrived",
    ),
    "drips the answer": (
        lambda body, kind, server: _after(Http(body, kind).head(), drip(b" " * 9000, server.over)),
        (SourceTimeout, UnexpectedAnswer),
        "",
    ),
    "drips an error": (
        lambda body, kind, server: _after(Http(status="500 No", kind=kind).head(), drip(b"e" * 9000, server.over)),
        SourceTimeout,
        "no data arrived",
    ),
    "continues for ever": (
        lambda body, kind, server: forever(b"HTTP/1.1 100 Continue\r\n\r\n", server.over),
        SourceTimeout,
        "no data arrived",
    ),
    "a header without end": (
        lambda body, kind, server: _after(b"HTTP/1.1 200 OK\r\nX: ", forever(b"y" * 9000, server.over)),
        SourceUnavailable,
        "cannot be reached",
    ),
    "headers without end": (
        lambda body, kind, server: _after(b"HTTP/1.1 200 OK\r\n", forever(b"X: y\r\n", server.over)),
        SourceUnavailable,
        "cannot be reached",
    ),
    "a document without end": (
        lambda body, kind, server: _after(
            Http(body, kind).head(), forever(body[:40].replace(b"\n", b"") + b"x" * 9000, server.over)
        ),
        AnswerTooLarge,
        "`max_document`",
    ),
    "little gzip that is much": (
        lambda body, kind, server: [Http(MUCH, kind).zipped()],
        AnswerTooLarge,
        "larger than 1MB",
    ),
    "gzip of gzip": (
        lambda body, kind, server: [
            Http(gzip.compress(gzip.compress(MUCH)), kind, more=("Content-Encoding: gzip, gzip",)).sized()
        ],
        AnswerTooLarge,
        "larger than 1MB",
    ),
    "gzip that is none": (
        lambda body, kind, server: [Http(body, kind, more=("Content-Encoding: gzip",)).sized()],
        StreamBroken,
        "decode",
    ),
    "an encoding that nobody asked for": (
        lambda body, kind, server: [Http(body, kind, more=("Content-Encoding: pack200",)).sized()],
        UnexpectedAnswer,
        "pack200",
    ),
    "no content": (
        lambda body, kind, server: [Http(status="204 No Content", kind=kind).head()],
        UnexpectedAnswer,
        "204",
    ),
    "a part of it": (
        lambda body, kind, server: [Http(body[:90], kind, "206 Partial Content").sized()],
        UnexpectedAnswer,
        "206",
    ),
    "a redirection": (
        lambda body, kind, server: [
            Http(b"", kind, "302 Found", ("Location: https://login.example.com/?next=1",)).sized()
        ],
        UnexpectedAnswer,
        "https://login.example.com/",
    ),
    "a redirection to itself": (
        lambda body, kind, server: [Http(b"", kind, "307 Temporary", (f"Location: {server.url}/query",)).sized()],
        UnexpectedAnswer,
        "307",
    ),
    "a login page": (
        lambda body, kind, server: [Http(b"<html><body>Log in", "text/html").sized()],
        UnexpectedAnswer,
        "web page",
    ),
    "a page that says it is data": (
        lambda body, kind, server: [Http(b"<!doctype html>\n<html>\n<p>Log in\n", kind).sized()],
        UnexpectedAnswer,
        "",
    ),
    "a challenge": (
        lambda body, kind, server: [Http(b"", kind, "401 Unauthorized", ("WWW-Authenticate: Basic",)).sized()],
        AuthenticationFailed,
        "credentials",
    ),
    "a page of a proxy": (
        lambda body, kind, server: [Http(b"<html>Bad gateway", "text/html", "502 Bad Gateway").sized()],
        SourceUnavailable,
        "cannot serve now",
    ),
    "busy for a year": (
        lambda body, kind, server: [Http(b"", kind, "429 Too Many", ("Retry-After: 31536000",)).sized()],
        SourceUnavailable,
        "cannot serve now",
    ),
    "no HTTP": (lambda body, kind, server: [b"220 mail.example.com ESMTP\r\n"], SourceUnavailable, "cannot be reached"),
    "letters of Latin 1": (
        lambda body, kind, server: [Http(body.replace(b"t1", b"t\xe9"), kind).sized()],
        UnexpectedAnswer,
        "",
    ),
    "another character set": (
        lambda body, kind, server: [
            Http(body.decode().encode("utf-16"), f"{kind.split(';')[0]}; charset=utf-16").sized()
        ],
        UnexpectedAnswer,
        "utf-16",
    ),
    "UTF-16 that does not say so": (
        lambda body, kind, server: [Http(body.decode().encode("utf-16"), kind.split(";")[0]).sized()],
        (UnexpectedAnswer, StreamBroken),
        "",
    ),
    "not a number": (
        lambda body, kind, server: [Http(body.replace(b"1.5", b"NaN"), kind).sized()],
        UnexpectedAnswer,
        "",
    ),
    "infinity": (
        lambda body, kind, server: [Http(body.replace(b"1.5", b"Infinity"), kind).sized()],
        UnexpectedAnswer,
        "",
    ),
    "a float beyond floats": (
        lambda body, kind, server: [Http(body.replace(b"1.5", b"1e400"), kind).sized()],
        UnexpectedAnswer,
        "",
    ),
    "a time outside of the window": (
        lambda body, kind, server: [
            Http(
                body.replace(b"1767225605000000000", b"1767225665000000000").replace(b"00:00:05Z", b"00:01:05Z"), kind
            ).sized()
        ],
        UnexpectedAnswer,
        "include one of another time",
    ),
}


def _wait(server: LyingServer) -> Iterator[Sent]:
    server.over.wait(60)
    yield b""


def _then_wait(part: bytes, server: LyingServer) -> Iterator[Sent]:
    yield part
    yield from _wait(server)


def _after(head: bytes, rest: Iterable[Sent]) -> Iterator[Sent]:
    yield head
    yield from rest


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", ["influxdb1", "flux", "influxdb3"])
def test_a_lie_of_any_server(name: str, lie: str) -> None:
    tell, kind, says = LIES[lie]
    hasty = {"timeout": timedelta(seconds=1)} if SourceTimeout in (kind if isinstance(kind, tuple) else (kind,)) else {}
    fails(SPEAKERS[name], tell, kind, says, max_document=1_000_000, **hasty)


@pytest.mark.parametrize("name", SPEAKERS)
@pytest.mark.parametrize("framing", ["sized", "chunked", "closed", "zipped"])
def test_the_truth_in_any_form(name: str, framing: str) -> None:
    def tell(body: bytes, kind: str, server: LyingServer) -> list[Sent]:
        return [Http(body, kind).framings()[framing]]

    assert outcome(SPEAKERS[name], tell) == truth.POINTS


@pytest.mark.parametrize("name", SPEAKERS)
def test_a_type_that_is_not_its_own_is_no_lie(name: str) -> None:
    came = outcome(SPEAKERS[name], lambda body, kind, server: [Http(body, "application/octet-stream").sized()])
    assert came == truth.POINTS
