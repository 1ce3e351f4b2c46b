"""ASGI middleware: authenticates requests, and limits their rate, their duration and the size of their body
(`serve.limits.body`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from influx_lake.config.lake.serving import ServeOptions
from influx_lake.config.values.address import Address
from influx_lake.errors import ConfigurationError
from influx_lake.serve.gate.rates import Rates
from influx_lake.serve.gate.tokens import Tokens
from influx_lake.serve.problems import Problem

log = logging.getLogger("influx_lake.serve")

OPEN = ("/health", "/ready", "/openapi.json")
"""The paths that need no token: health and OpenAPI."""
_ALL_IS_JSON = "/api/v3/engine/"
_DIGITS = 18
_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class Gate:
    """Middleware that refuses requests without a valid token, too many, too large and too slow ones.

    Args:
        app: The application behind it.
        options: The limits, `serve` of lake.yaml.
        tokens: The accepted tokens.
    """

    def __init__(self, app: ASGIApp, options: ServeOptions, tokens: Tokens) -> None:
        self._app = app
        self._limits = options.limits
        self._patience = options.limits.patience.total_seconds()
        self._tokens = tokens
        self._rates = Rates(options.limits.requests_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, told = monotonic(), _Response(send, self._patience)
        body = _Body(receive, self._limits.body, self._patience)
        try:
            self._admit(scope)
            _as_json(scope)
            await body.read(Headers(scope=scope))
            await self._app(scope, body, told)
        except Problem as problem:
            await problem.answer()(scope, receive, told)
        except ConnectionAbortedError as error:
            log.info("%s", error)
            raise
        except Exception as error:
            log.exception("%s %s", scope["method"], scope["path"])
            if told.status is not None:
                raise
            detail = f"unexpected {type(error).__name__}: the service's log tells where it arose"
            await Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail).answer()(scope, receive, told)
        finally:
            # Not the query, which may contain a client's secrets.
            log.info("%s %s %s %.0f ms", scope["method"], scope["path"], told.status, (monotonic() - began) * 1000)

    def _admit(self, scope: Scope) -> None:
        """Authenticate a request and count it against its client's rate.

        Raises:
            Problem: The request is refused.
        """
        headers, path = Headers(scope=scope), scope["path"]
        client = scope["client"][0] if scope.get("client") else ""
        if path != "/health" and (seconds := self._rates.wait(client)):
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"more than {self._limits.requests_per_second} requests a second. Ask again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )
        if not self._tokens.are_needed and not _is_of_this_machine(headers.get("host")):
            # Without tokens, a web page's host name may resolve to this service (DNS rebinding).
            raise Problem(HTTPStatus.FORBIDDEN, "without `serve.tokens` only 127.0.0.1 and localhost are answered")
        if (origin := headers.get("origin")) and not _is_own(origin, headers.get("host")):
            raise Problem(HTTPStatus.FORBIDDEN, "web pages of other origins are not answered")
        if path not in OPEN and not self._tokens.accepts(headers.get("authorization")):
            given = "the token is not one of `serve.tokens`" if "authorization" in headers else "a token is missing"
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                f"{given}. Send the header `Authorization: Bearer TOKEN`",
                headers={"WWW-Authenticate": 'Bearer realm="influx-lake"'},
            )


class _Body:
    """Reads a request's body with limits on size and time.

    It is read completely before the request is handled, so that handlers never wait for a slow client.
    """

    def __init__(self, receive: Receive, largest: int, patience: float) -> None:
        self._receive = receive
        self._largest = largest
        self._patience = patience
        self._messages: list[Message] = []

    async def read(self, headers: Headers) -> None:
        """Read the whole body.

        Raises:
            Problem: The body is too large or arrives too slowly.
        """
        length = headers.get("content-length", "")
        if length.isdecimal() and (len(length) > _DIGITS or int(length) > self._largest):
            raise self._too_large()
        taken, more = 0, True
        try:
            async with asyncio.timeout(self._patience):
                while more:
                    message = await self._receive()
                    self._messages.append(message)
                    taken += len(message.get("body", b""))
                    if taken > self._largest:
                        raise self._too_large()
                    more = message["type"] == "http.request" and message.get("more_body", False)
        except TimeoutError:
            detail = f"the body did not come within {self._patience:.0f} s (`serve.limits.patience`)"
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, detail, headers={"Connection": "close"}) from None

    async def __call__(self) -> Message:
        # After the last message, wait for the client's disconnect.
        return self._messages.pop(0) if self._messages else await self._receive()

    def _too_large(self) -> Problem:
        # Not closed at once: the rest of the body is discarded until the timeout of `PatientH11`, since clients that
        # send all of it before they read would miss the response.
        detail = f"the body is larger than {self._largest:,} bytes (`serve.limits.body`)"
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


class _Response:
    """Sends the response, with the headers that every response has, and gives up on clients that do not read it."""

    def __init__(self, send: Send, patience: float) -> None:
        self._send = send
        self._patience = patience
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        try:
            await asyncio.wait_for(self._send(message), self._patience)
        except TimeoutError:
            raise ConnectionAbortedError(f"the client took nothing of the answer for {self._patience:.0f} s") from None


def _as_json(scope: Scope) -> None:
    """Set the content type to JSON on the plugin's path, since curl's -d claims to send a form."""
    if scope["path"].startswith(_ALL_IS_JSON):
        kept = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
        scope["headers"] = [*kept, (b"content-type", b"application/json")]


def _is_of_this_machine(host: str | None) -> bool:
    try:
        return Address.parse(f"http://{host or ''}").is_loopback
    except ConfigurationError:
        return False


def _is_own(origin: str, host: str | None) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False
