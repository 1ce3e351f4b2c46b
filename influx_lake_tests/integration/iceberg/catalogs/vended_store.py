"""S3 under credentials that expire: keys with a session token, taken for some seconds and refused as AWS does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl

import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from testbed.http_server import http_server

_PASSED_ON = ("content-type", "content-md5", "range", "if-match", "if-none-match")
_EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"


@dataclass
class VendedStore:
    """Stands before a server of S3, whose own keys it alone has.

    Attributes:
        root: pyiceberg's properties for the server.
        lifetime: How long credentials hold, in seconds.
        tells_expiry: Whether credentials come with the time of their end.
        refused: How many requests came with credentials that had expired, or were none.
    """

    root: dict[str, str]
    lifetime: float
    tells_expiry: bool = True
    address: str = ""
    refused: int = 0
    _until: dict[tuple[str, str], float] = field(default_factory=dict)

    def vend(self) -> dict[str, str]:
        """Properties with new credentials."""
        key, token = f"ASIA{uuid.uuid4().hex[:12].upper()}", uuid.uuid4().hex
        self._until[key, token] = time.time() + self.lifetime
        expiry = {"s3.session-token-expires-at-ms": str(int((time.time() + self.lifetime) * 1000))}
        return {
            "s3.endpoint": self.address,
            "s3.region": self.root["s3.region"],
            "s3.access-key-id": key,
            "s3.secret-access-key": "unsigned",
            "s3.session-token": token,
            **(expiry if self.tells_expiry else {}),
        }

    def takes(self, headers: dict[str, str]) -> bool:
        key = headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
        return time.time() < self._until.get((key, headers.get("x-amz-security-token", "")), 0)

    def pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> requests.Response:
        """The server's own answer."""
        place, _, query = path.partition("?")
        kept = {name: value for name, value in headers.items() if name in _PASSED_ON}
        request = AWSRequest(
            method,
            f"{self.root['s3.endpoint']}{place}",
            params=dict(parse_qsl(query, keep_blank_values=True)),
            data=body,
            headers=kept,
        )
        credentials = Credentials(self.root["s3.access-key-id"], self.root["s3.secret-access-key"])
        S3SigV4Auth(credentials, "s3", self.root["s3.region"]).add_auth(request)
        sent = request.prepare()
        return requests.request(method, sent.url, headers=dict(sent.headers), data=body, timeout=60)


@contextmanager
def vended_store(root: dict[str, str], lifetime: float, *, tells_expiry: bool = True) -> Iterator[VendedStore]:
    """Stand before a server of S3, on a free port of loopback."""
    store = VendedStore(root, lifetime, tells_expiry)

    class Handler(_Handler):
        before = store

    with http_server(Handler) as store.address:
        yield store


class _Handler(BaseHTTPRequestHandler):
    before: VendedStore
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        if not self.before.takes(headers):
            self.before.refused += 1
            self._send(400, {"Content-Type": "application/xml"}, _EXPIRED, len(_EXPIRED))
            return
        found = self.before.pass_on(self.command, self.path, headers, body)
        length = int(found.headers.get("Content-Length") or len(found.content))
        told = {
            k: v for k, v in found.headers.items() if k in ("ETag", "Content-Type", "Content-Range", "Last-Modified")
        }
        self._send(found.status_code, told, found.content, length)

    def _send(self, status: int, headers: dict[str, str], body: bytes, length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

    def log_message(self, *_: Any) -> None:
        pass
