"""The HTTP server: parses requests, routes them to handlers, streams responses."""

from __future__ import annotations

import http.server
import json
import logging
import re
import socket
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from influx_lake.sandbox.api import auth
from influx_lake.sandbox.faults import Faults

MAX_BODY = 10 * 1024 * 1024
_PARAMETER_TOKEN_PATHS = ("/write", "/query")
_MALFORMED = (
    "Authorization header was malformed, the request was not in the form of 'Authorization: <auth-scheme> <token>', "
    "supported auth-schemes are Bearer, Token and Basic"
)


_DIGITS = re.compile(r"[0-9A-Fa-f]{1,15}\Z")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a handler. The body is read and decompressed on demand."""

    method: str
    path: str
    params: dict[str, str]
    has_query: bool
    headers: dict[str, str]
    read_body: Callable[[], bytes]

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            HttpError: 400 if it is not JSON.
        """
        try:
            return json.loads(self.read_body())
        except ValueError as problem:
            raise HttpError(400, f"serde json error: {problem}") from problem


@dataclass(frozen=True, slots=True)
class Response:
    """A response; a body that is an iterator is streamed."""

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, content: Any, status: int = 200, spaced: bool = False) -> Response:
        text = json.dumps(content, separators=(", ", ": ") if spaced else (",", ":"), ensure_ascii=False)
        return cls(status, text.encode(), "application/json")

    @classmethod
    def of_text(cls, text: str, status: int = 200) -> Response:
        return cls(status, text.encode(), "text/plain; charset=utf-8")


class HttpError(Exception):
    """A request that ends with an error status and a plain text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Handler = Callable[[Request], Response]


class HttpApi:
    """Serves HTTP on given connections.

    Args:
        routes: Handlers by method and path.
        token: The token that clients must present, if any.
        faults: The faults to inject.
    """

    def __init__(self, routes: dict[tuple[str, str], Handler], token: str | None, faults: Faults) -> None:
        self._routes = routes
        self._token = token
        self._faults = faults
        self.cluster_uuid = str(uuid.uuid4())

    def serve_connection(self, connection: socket.socket, address: tuple[str, int]) -> None:
        """Serve the requests of one connection until it ends."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _Connection(connection, address, self)  # type: ignore[arg-type]

    def respond(self, request: Request, peer: str) -> Response:
        """Check the credentials and call the handler."""
        if request.path.startswith("/sandbox/"):
            if peer not in ("127.0.0.1", "::1"):
                raise HttpError(403, "the sandbox's own paths are only served on loopback")
        elif self._faults.unavailable:
            raise HttpError(503, "the sandbox is unavailable (injected fault)")
        if request.method == "OPTIONS":
            return Response(204)
        if (refusal := self._refusal(request)) is not None:
            return refusal
        handler = self._routes.get((request.method, request.path))
        if handler is not None:
            return handler(request)
        if any(path == request.path for _, path in self._routes):
            return Response.of_json({"error": "method not allowed"}, 405)
        raise HttpError(404, "not found")

    def _refusal(self, request: Request) -> Response | None:
        parameter = request.params.get("p") if request.path in _PARAMETER_TOKEN_PATHS else None
        verdict = auth.check(self._token, request.headers.get("authorization"), parameter)
        if self._faults.unauthenticated and not request.path.startswith("/sandbox/"):
            verdict = auth.Verdict.REFUSED
        match verdict:
            case auth.Verdict.ACCEPTED:
                return None
            case auth.Verdict.MALFORMED:
                return Response.of_json({"error": _MALFORMED}, 400, spaced=True)
            case _:
                return Response.of_json({"error": "the request was not authenticated"}, 401, spaced=True)


class _Connection(http.server.BaseHTTPRequestHandler):
    """One connection, with keep-alive."""

    protocol_version = "HTTP/1.1"
    timeout = 300
    wbufsize = 65_536
    server: HttpApi  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self._unread = True
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            bool(parts.query),
            {name.lower(): value for name, value in self.headers.items()},
            self._body,
        )
        try:
            response = self.server.respond(request, self.client_address[0])
        except HttpError as problem:
            response = Response.of_text(str(problem), problem.status)
        except ConnectionError:
            raise
        except Exception as problem:
            _log.exception("%s %s failed", request.method, request.path)
            response = Response.of_text(f"internal error: {problem}", 500)
        if self._unread:
            self._discard_body()
        self._send(response)

    def _body(self) -> bytes:
        """Read and decompress the body.

        Raises:
            HttpError: if it is too large, or its encoding is unsupported.
        """
        self._unread = False
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding not in ("identity", "gzip"):
            self.close_connection = True
            raise HttpError(400, f"unacceptable content-encoding: {encoding}")
        body = b"".join(self._chunks())
        return body if encoding == "identity" else _gunzip(body)

    def _chunks(self) -> Iterator[bytes]:
        total = 0
        for chunk in self._raw_chunks():
            total += len(chunk)
            if total > MAX_BODY:
                self.close_connection = True
                raise _too_large()
            yield chunk

    def _raw_chunks(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := self._number(self.rfile.readline().split(b";")[0].decode("latin-1"), base=16):
                yield self._read(min(size, MAX_BODY + 1))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = self._number(self.headers.get("Content-Length", "0"))
        if left > MAX_BODY:
            self.close_connection = True
            raise _too_large()
        while left:
            chunk = self._read(min(left, 1024 * 1024))
            left -= len(chunk)
            yield chunk

    def _read(self, size: int) -> bytes:
        """Read exactly this many bytes: a partial body must not pass for a complete one."""
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError("the client disconnected in the middle of a request")
        return data

    def _number(self, text: str, base: int = 10) -> int:
        digits = text.strip()
        if not (digits.isdecimal() or base == 16) or not _DIGITS.match(digits):
            self.close_connection = True
            raise HttpError(400, f"invalid length of the body: {digits!r}")
        return int(digits, base)

    def _discard_body(self) -> None:
        """Skip the body, so that the next request can be read; clients that send too much are disconnected."""
        try:
            for _ in self._chunks():
                pass
        except HttpError:
            self.close_connection = True

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("cluster-uuid", self.server.cluster_uuid)
        if response.status < 400:
            self.send_header("access-control-allow-origin", "*")
        if response.content_type:
            self.send_header("content-type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if isinstance(response.body, bytes):
            if response.status != 204:
                self.send_header("content-length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else response.body)
        else:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self._stream(response.body)
        self.wfile.flush()

    def _stream(self, parts: Iterable[bytes]) -> None:
        """Send parts as chunks; an error in mid-stream can only truncate the body, as with the real server."""
        pending = bytearray()
        try:
            for part in parts:
                pending += part
                if len(pending) >= 65_536:
                    self._chunk(pending)
                    pending.clear()
        except Exception:
            self.close_connection = True
            if pending:
                self._chunk(pending)
            return
        if pending:
            self._chunk(pending)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes | bytearray) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), bytes(data)))
        self.wfile.flush()

    def log_message(self, format: str, *_args: Any) -> None:  # noqa: A002
        """Log nothing: request lines may contain a token."""

    def version_string(self) -> str:
        return "influx-lake-sandbox"


def _gunzip(data: bytes) -> bytes:
    """Decompress gzip members, up to the limit."""
    parts = []
    room = MAX_BODY + 1
    try:
        while data and room:
            member = zlib.decompressobj(wbits=31)
            parts.append(member.decompress(data, room))
            room -= len(parts[-1])
            if not member.eof and room:
                raise HttpError(400, "error decoding gzip stream: corrupt deflate stream")
            data = member.unused_data
    except zlib.error as problem:
        raise HttpError(400, f"error decoding gzip stream: {problem}") from problem
    if not room:
        raise _too_large()
    return b"".join(parts)


def _too_large() -> HttpError:
    return HttpError(413, f"max request size ({MAX_BODY} bytes) exceeded")
