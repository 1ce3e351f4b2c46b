"""What stands before the Iceberg REST catalogs of clouds: tokens, signatures, prefixes, vended credentials, refusals.

A front passes requests on to a catalog of the test's, under rules: each may answer a request itself, change it, or
change the answer. Rules put together make the dialect of a service.
"""

from __future__ import annotations

import json
import time
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from testbed.http_server import http_server


@dataclass
class Request:
    """A request as it came; rules may change its path."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body) if self.body else {}

    @property
    def is_of_table(self) -> bool:
        return "/namespaces/" in self.path and "/tables" in self.path


@dataclass
class Answer:
    """An answer: what a rule gives, or what the catalog gave."""

    status: int
    body: Any = None


def refusal(status: int, message: str, kind: str = "Refused") -> Answer:
    return Answer(status, {"error": {"message": message, "type": kind, "code": status}})


class Rule:
    """One thing that a service does with requests."""

    def before(self, request: Request) -> Answer | None:
        """The answer to a request that does not get to the catalog."""
        return None

    def after(self, request: Request, answer: Answer) -> None:
        """Change what the catalog answered."""


@contextmanager
def rest_front(catalog: str, *rules: Rule) -> Iterator[str]:
    """Stand before a catalog, on a free port of loopback; yields the address."""
    own = requests.Session()

    class Handler(_Handler):
        behind, passes, session = catalog.rstrip("/"), rules, own

    with http_server(Handler) as address, own:
        yield address


class _Handler(BaseHTTPRequestHandler):
    behind: str
    passes: tuple[Rule, ...]
    session: requests.Session
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        request = Request(self.command, path, query, {k.lower(): v for k, v in self.headers.items()}, body)
        answer = next((found for rule in self.passes if (found := rule.before(request))), None)
        if answer is None:
            answer = self._passed_on(request)
            for rule in self.passes:
                rule.after(request, answer)
        encoded = b"" if self.command == "HEAD" or answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def _passed_on(self, request: Request) -> Answer:
        url = f"{self.behind}{request.path}" + (f"?{request.query}" if request.query else "")
        headers = {"Content-Type": "application/json"}
        found = self.session.request(request.method, url, data=request.body, headers=headers, timeout=60)
        return Answer(found.status_code, found.json() if found.content else None)

    do_GET = do_HEAD = do_POST = do_DELETE = _answer

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Tokens(Rule):
    """OAuth2: a server of tokens, each of which holds for some seconds, and a catalog that asks for them.

    Attributes:
        lifetime: How long a token holds.
        path: Where tokens are asked for.
        issued: How many there were.
        expired: How many requests came with one that had expired.
    """

    lifetime: float = 3600
    path: str = "/v1/oauth/tokens"
    client: tuple[str, str] = ("lake", "s3cret")
    scope: str = "catalog"
    issued: int = 0
    expired: int = 0
    _until: dict[str, float] = field(default_factory=dict)

    def before(self, request: Request) -> Answer | None:
        if request.path == self.path:
            return self._issue(request)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or token not in self._until:
            return refusal(401, "no token, or one of nobody's", "NotAuthorizedException")
        if time.monotonic() > self._until[token]:
            self.expired += 1
            return refusal(401, "the token expired", "NotAuthorizedException")
        return None

    def _issue(self, request: Request) -> Answer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind == "Bearer":
            return Answer(400, {"error": "invalid_request", "error_description": "two ways to authenticate"})
        client = (form.get("client_id", ""), form.get("client_secret", ""))
        if kind == "Basic":
            name, _, secret = b64decode(given).decode().partition(":")
            client = (name, secret)
        if client != self.client:
            return Answer(401, {"error": "invalid_client"})
        if form.get("grant_type") != "client_credentials" or form.get("scope") != self.scope:
            return Answer(400, {"error": "invalid_scope"})
        token = uuid.uuid4().hex
        self.issued += 1
        self._until[token] = time.monotonic() + self.lifetime
        return Answer(200, {"access_token": token, "token_type": "bearer", "expires_in": max(1, round(self.lifetime))})


@dataclass
class Signed(Rule):
    """AWS's Signature Version 4: computed again from the request as it came, and compared."""

    service: str
    region: str = "eu-central-1"
    key: str = "AKIDLAKE"
    secret: str = "s1gning"
    session_token: str | None = None
    checked: int = 0

    def before(self, request: Request) -> Answer | None:
        given = request.headers.get("authorization", "")
        scope = f"Credential={self.key}/{request.headers.get('x-amz-date', '')[:8]}/{self.region}/{self.service}/"
        if not given.startswith("AWS4-HMAC-SHA256") or scope not in given:
            return refusal(403, f"not signed for {self.service} in {self.region}", "UnrecognizedClientException")
        if request.headers.get("x-amz-security-token") != self.session_token:
            return refusal(403, "the security token is invalid", "UnrecognizedClientException")
        fields = dict(part.strip().split("=", 1) for part in given.partition(" ")[2].split(","))
        signed = AWSRequest(
            method=request.method,
            url=f"http://{request.headers['host']}{request.path}",
            params=dict(parse_qsl(request.query)),
            data=request.body,
            headers={name: request.headers[name] for name in fields["SignedHeaders"].split(";")},
        )
        signed.context["timestamp"] = request.headers["x-amz-date"]
        signer = SigV4Auth(Credentials(self.key, self.secret, self.session_token), self.service, self.region)
        text = signer.string_to_sign(signed, signer.canonical_request(signed))
        if signer.signature(text, signed) != fields["Signature"]:
            return refusal(403, "the signature does not match", "InvalidSignatureException")
        self.checked += 1
        return None


@dataclass
class Configured(Rule):
    """`/v1/config` of a service: warehouses that it knows by name, and the prefix of all other paths."""

    warehouse: str
    prefix: str
    defaults: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)
    endpoints: list[str] | None = None
    passed: int = 0

    def before(self, request: Request) -> Answer | None:
        if request.path == "/v1/config":
            asked = dict(parse_qsl(request.query)).get("warehouse")
            if asked != self.warehouse:
                return refusal(404, f"there is no warehouse {asked}", "NotFoundException")
            told = {"defaults": self.defaults, "overrides": {**self.overrides, "prefix": self.prefix}}
            return Answer(200, told | ({"endpoints": self.endpoints} if self.endpoints else {}))
        start = f"/v1/{self.prefix}/"
        if not request.path.startswith(start):
            return refusal(404, f"there is no {request.path}", "NotFoundException")
        request.path = "/v1/" + request.path.removeprefix(start)
        self.passed += 1
        return None


@dataclass
class Vends(Rule):
    """Credentials for the store with each table that is loaded or made, if they are asked for.

    Attributes:
        vend: Gives properties.
        by_prefix: Whether they are told as `storage-credentials`, as newer servers do, or in `config`.
        vended: How many there were.
    """

    vend: Callable[[], dict[str, str]]
    by_prefix: bool = True
    vended: int = 0

    def after(self, request: Request, answer: Answer) -> None:
        asked = "vended-credentials" in request.headers.get("x-iceberg-access-delegation", "")
        if not (
            asked and answer.status == 200 and isinstance(answer.body, dict) and "metadata-location" in answer.body
        ):
            return
        self.vended += 1
        config = self.vend()
        if self.by_prefix:
            location = answer.body["metadata"]["location"]
            answer.body["storage-credentials"] = [{"prefix": location, "config": config}]
        else:
            answer.body["config"] = {**answer.body.get("config", {}), **config}


@dataclass
class Refuses(Rule):
    """What a service does not do: requests that a test picks out, each with the answer to it."""

    refused: Callable[[Request], Answer | None]
    count: int = 0

    def before(self, request: Request) -> Answer | None:
        answer = self.refused(request)
        self.count += answer is not None
        return answer


def parts_of(request: Request) -> list[str]:
    """The parts of a path behind `/v1/`, as the catalog reads them."""
    return [unquote(part) for part in request.path.split("/")[2:]]


def quoted(text: str) -> str:
    """A text as it stands in one part of a path."""
    return quote(text, safe="")
