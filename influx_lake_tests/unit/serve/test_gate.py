"""What a request passes before it is answered."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from influx_lake.config import Secret
from influx_lake.config.lake.serving import ServeLimits, ServeOptions
from influx_lake.serve.gate.gate import Gate
from influx_lake.serve.gate.rates import BURST, Rates
from influx_lake.serve.gate.tokens import Tokens

TOKENS = ("first-token-1234567890", "second-token-1234567890")
OPTIONS = ServeOptions(
    tokens=tuple(map(Secret, TOKENS)), limits=ServeLimits(body=1000, requests_per_second=1000, patience="1s")
)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await PlainTextResponse(body)(scope, receive, send)


def asked(
    options: ServeOptions = OPTIONS,
    *,
    path: str = "/v1/windows",
    headers: dict[str, str] | None = None,
    messages: list[Message] | None = None,
    app: Callable[[Scope, Receive, Send], Awaitable[None]] = echo,
) -> tuple[int, dict[str, str], bytes]:
    """What a request is answered: status, headers and body."""
    waiting = list(messages if messages is not None else [{"type": "http.request", "body": b"", "more_body": False}])
    sent: list[Any] = []

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"host": "127.0.0.1:8282", **(headers or {})}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"secret=1",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(Gate(app, options, Tokens(options.tokens))(scope, receive, send))
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, b"".join(each.get("body", b"") for each in sent[1:])


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    [f"Bearer {TOKENS[0]}", f"bearer  {TOKENS[1]} ", f"Token {TOKENS[0]}", basic(TOKENS[1])],
)
def test_any_of_the_tokens_is_accepted(authorization: str) -> None:
    assert asked(headers={"Authorization": authorization})[0] == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKENS[0][:-1]}",
        f"Bearer {TOKENS[0]}x",
        f"Bearer {TOKENS[0]} {TOKENS[1]}",
        TOKENS[0],
        f"Digest {TOKENS[0]}",
        basic(""),
        "Basic ###",
        "Basic /w==",
        "Bearer \xff\xfe",
    ],
)
def test_everybody_else_is_a_stranger(authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    status, told, body = asked(headers=headers)
    assert (status, told["content-type"]) == (401, "application/problem+json")
    assert told["www-authenticate"].startswith("Bearer")
    assert not any(token.encode() in body for token in TOKENS)


def test_that_it_lives_is_told_to_everybody() -> None:
    assert [asked(path=path)[0] for path in ("/health", "/ready", "/openapi.json")] == [200] * 3
    assert [asked(path=path)[0] for path in ("/health/", "//health", "/health/../v1/windows", "/HEALTH")] == [401] * 4


def test_tokens_are_read_again() -> None:
    import os

    os.environ["GATE_TOKEN"] = "old-token-1234567890"
    try:
        tokens = Tokens((Secret("${GATE_TOKEN}"),))
        assert tokens.accepts("Bearer old-token-1234567890")
        os.environ["GATE_TOKEN"] = "new-token-1234567890"
        tokens.refresh()
        assert tokens.accepts("Bearer new-token-1234567890")
        assert not tokens.accepts("Bearer old-token-1234567890")
        del os.environ["GATE_TOKEN"]
        tokens.refresh()
        assert tokens.accepts("Bearer new-token-1234567890")
    finally:
        os.environ.pop("GATE_TOKEN", None)


def test_without_tokens_only_this_machine_is_answered() -> None:
    options = ServeOptions()
    hosts = {"127.0.0.1:8282": 200, "localhost": 200, "[::1]:8282": 200, "evil.example.com": 403, "": 403, "a b": 403}
    assert {host: asked(options, headers={"host": host})[0] for host in hosts} == hosts


def test_web_pages_of_others_are_not_answered() -> None:
    token = {"Authorization": f"Bearer {TOKENS[0]}"}
    assert asked(headers={**token, "Origin": "https://evil.example.com"})[0] == 403
    assert asked(headers={**token, "Origin": "null"})[0] == 403
    assert asked(headers={**token, "Origin": "http://127.0.0.1:8282"})[0] == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    token = {"Authorization": f"Bearer {TOKENS[0]}"}
    for length in ("1001", "9" * 30):
        assert asked(headers={**token, "Content-Length": length}, messages=[])[0] == 413
    chunk: Message = {"type": "http.request", "body": b"x" * 600, "more_body": True}
    assert asked(headers=token, messages=[chunk, chunk, chunk])[0] == 413
    last: Message = {"type": "http.request", "body": b"y" * 400, "more_body": False}
    assert asked(headers=token, messages=[chunk, last])[2] == b"x" * 600 + b"y" * 400


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    token = {"Authorization": f"Bearer {TOKENS[0]}"}
    chunk: Message = {"type": "http.request", "body": b"x", "more_body": True}
    assert asked(headers=token, messages=[chunk])[0] == 408


def test_a_defect_is_reported_as_one() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError(f"with {TOKENS[0]} in it")

    status, told, body = asked(headers={"Authorization": f"Bearer {TOKENS[0]}"}, app=broken)
    assert (status, told["content-type"]) == (500, "application/problem+json")
    assert b"RuntimeError" in body
    assert TOKENS[0].encode() not in body


def test_a_bucket_is_emptied_and_fills() -> None:
    now = [0.0]
    rates = Rates(2, lambda: now[0])
    assert [rates.wait("a") for _ in range(2 * BURST)] == [0] * 2 * BURST
    assert rates.wait("a") == 1
    assert rates.wait("b") == 0
    now[0] += 1
    assert [rates.wait("a"), rates.wait("a"), rates.wait("a")] == [0, 0, 1]


def test_more_requests_than_allowed() -> None:
    options = OPTIONS.model_copy(update={"limits": ServeLimits(requests_per_second=1)})
    gate = Gate(echo, options, Tokens(options.tokens))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def ask() -> None:
        headers = [(b"host", b"a"), (b"authorization", f"Bearer {TOKENS[0]}".encode())]
        for path in [*["/v1/windows"] * (BURST + 1), "/health"]:
            scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
            await gate({**scope, "client": ("10.0.0.1", 1)}, receive, send)

    asyncio.run(ask())
    statuses = [each["status"] for each in sent if each["type"] == "http.response.start"]
    assert statuses == [200] * BURST + [429, 200]
    told = [dict(each["headers"]) for each in sent if each.get("status") == 429]
    assert told[0][b"retry-after"] == b"1"
