"""Sends requests to a server with urllib3; small responses are read whole, large ones as a stream of bytes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from influx_lake.config.connections import ServerConfig
from influx_lake.sources.http.documents import bounded, error_in, json_of, not_json
from influx_lake.sources.http.failures import HttpFailures
from influx_lake.sources.http.rows import in_time
from influx_lake.sources.tls import check_files

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_BYTES_AT_ONCE = 1 << 18
_LONGEST_ERROR = 1 << 20
_KEPT_CONNECTIONS = 16
_OK = 200
_PAGES = {"text/html", "application/xhtml+xml"}
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}

Headers = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Attributes:
        method: GET, POST or DELETE.
        path: The path, with its query string.
        body: The body.
        headers: The headers of this request.
    """

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def get(cls, path: str, **parameters: str | None) -> Self:
        """A GET with a query string of the parameters that are not None."""
        return cls("GET", f"{path}?{cls.query(**parameters)}" if parameters else path)

    @classmethod
    def form(cls, path: str, **parameters: str | None) -> Self:
        """A POST of a form; a query may be too long for a URL."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return cls("POST", path, cls.query(**parameters).encode(), kind)

    @staticmethod
    def query(**parameters: str | None) -> str:
        """The parameters that are not None, URL-encoded."""
        return urlencode({name: value for name, value in parameters.items() if value is not None})

    @classmethod
    def json(cls, path: str, content: Any, *, accept: str = "application/json") -> Self:
        """A POST of JSON."""
        headers = {"Content-Type": "application/json", "Accept": accept}
        return cls("POST", path, json.dumps(content).encode(), headers)


class ByteStream:
    """The bytes of a response, a single-use iterable. Another thread may cancel it."""

    def __init__(self, response: BaseHTTPResponse, failures: HttpFailures) -> None:
        self._response = response
        self._failures = failures

    def __iter__(self) -> Iterator[bytes]:
        with self._failures.translating(before_rows=False):
            yield from self._response.stream(_BYTES_AT_ONCE, decode_content=True)

    def cancel(self) -> None:
        """End a blocking read soon."""
        # A connection that has ended already has no socket to shut down.
        with suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()


class HttpConnection:
    """The connections to one server, made on first use; threads may share them.

    Args:
        config: The server.
        headers: Returns the headers of every request, with credentials; called on first use.
    """

    def __init__(self, config: ServerConfig, headers: Headers) -> None:
        self._config = config
        self._headers = headers
        self._lock = threading.Lock()
        self._pool: PoolManager | None = None

    @contextmanager
    def stream(self, request: Request, failures: HttpFailures) -> Iterator[ByteStream]:
        """A context that sends a request; leaving it drops the unread rest of the response.

        Raises:
            SourceError: The request failed, or reading the response.
        """
        with self._sent(request, failures) as response:
            if response.status != _OK:
                raise failures.of_status(response.status, _beginning(response, failures), response.headers)
            _check_form(response, failures)
            yield ByteStream(response, failures)

    def ask(self, request: Request, failures: HttpFailures) -> Any:
        """The JSON of a small response.

        Raises:
            SourceError: The request failed, or the response is not JSON.
        """
        with self.stream(request, failures) as answer:
            text = in_time(lambda: b"".join(bounded(answer, failures)), answer, failures)
        try:
            answered = json_of(text)
        except ValueError as error:
            raise failures.odd(not_json(text, error)) from None
        if (said := error_in(answered)) is not None:
            raise failures.refused(said)
        return answered

    def look(self, path: str, failures: HttpFailures) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the response to a GET, to identify a server.

        Raises:
            SourceError: No server responds.
        """
        return self.answer_to(Request("GET", path), failures)

    def answer_to(self, request: Request, failures: HttpFailures) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of a small response, whatever its status.

        Raises:
            SourceError: No server responds.
        """
        with self._sent(request, failures) as response:
            return response.status, response.headers, _beginning(response, failures)

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.clear()
                self._pool = None

    @contextmanager
    def _sent(self, request: Request, failures: HttpFailures) -> Iterator[BaseHTTPResponse]:
        pool = self._connected()
        headers = {**pool.headers, **request.headers}
        with failures.translating(before_rows=True):
            response = pool.urlopen(
                request.method,
                self._config.address.url + request.path,
                body=request.body,
                headers=headers,
                preload_content=False,
                redirect=False,
                retries=False,
            )
        try:
            yield response
        finally:
            # The rest of a response is not read to reuse the connection: it may be gigabytes.
            response.close()

    def _connected(self) -> PoolManager:
        with self._lock:
            if self._pool is None:
                self._pool = _pool(self._config, self._headers())
            return self._pool


def _beginning(response: BaseHTTPResponse, failures: HttpFailures) -> bytes:
    """The beginning of a response, as much as people would read."""

    def read() -> bytes:
        with failures.translating(before_rows=True):
            return response.read(_LONGEST_ERROR)

    return in_time(read, ByteStream(response, failures), failures)


def _check_form(response: BaseHTTPResponse, failures: HttpFailures) -> None:
    """Refuse a response whose headers show that it is not InfluxDB's.

    Raises:
        UnexpectedAnswer: It is a web page, or has a charset or encoding that InfluxDB does not use.
    """
    kind = response.headers.get("Content-Type", "")
    if kind.partition(";")[0].strip().lower() in _PAGES:
        raise failures.odd("the response is a web page, as of a proxy or a login")
    charset = _CHARSET.search(kind)
    if charset and charset[1].lower() not in _CHARSETS:
        raise failures.odd(f"the response is in {charset[1]!r}, and InfluxDB's are in UTF-8")
    encodings = {each.strip().lower() for each in response.headers.get("Content-Encoding", "").split(",")}
    if unknown := sorted(encodings - {"", "identity", *response.CONTENT_DECODERS}):
        raise failures.odd(f"the response is compressed with {unknown[0]!r}, which was not requested")


def _pool(config: ServerConfig, headers: Mapping[str, str]) -> PoolManager:
    import urllib3

    from influx_lake.sources.http.response_timeout import PatientPools

    tls = config.tls
    check_files(tls)
    if not tls.verify:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    options: dict[str, Any] = {
        "cert_reqs": "CERT_REQUIRED" if tls.verify else "CERT_NONE",
        "ca_certs": tls.ca_file and str(tls.ca_file),
        "cert_file": tls.cert_file and str(tls.cert_file),
        "key_file": tls.key_file and str(tls.key_file),
    }
    return PatientPools(
        headers=headers,
        # Several threads read windows; beyond this number urllib3 warns, and opens new connections.
        maxsize=_KEPT_CONNECTIONS,
        timeout=urllib3.Timeout(connect=config.connect_timeout.total_seconds(), read=config.timeout.total_seconds()),
        **(options if config.address.secure else {}),
    )
