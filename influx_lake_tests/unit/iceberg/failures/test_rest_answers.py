"""What a REST catalog, or what stands before it, answers: whom the error names, and whether trying again may help."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pyiceberg.exceptions import NamespaceAlreadyExistsError, RESTError
from requests import HTTPError, Response

from influx_lake.errors import CatalogError
from influx_lake.iceberg.catalogs.namespaces import make_namespace
from influx_lake.iceberg.catalogs.opening import open_catalog
from testbed.http_server import http_server

PAGE = "<!DOCTYPE html><html><body>Sign in</body></html>"


def said(status: int) -> str:
    return json.dumps({"error": {"message": "no", "type": "Refused", "code": status}})


ANSWERS = {
    "401": (401, said(401), False, "Check the credentials"),
    "403": (403, said(403), False, "Check the credentials"),
    "404": (404, said(404), False, "there is no Iceberg REST catalog"),
    "429": (429, said(429), True, "cannot serve this now"),
    "500": (500, said(500), True, "cannot serve this now"),
    "503": (503, said(503), True, "cannot serve this now"),
    "a page": (200, PAGE, False, "is not that of an Iceberg REST catalog"),
    "a page of a proxy": (502, PAGE, True, "the answer is an HTML page"),
    "a page that forbids": (403, PAGE, False, "the answer is an HTML page"),
    "nothing": (200, "", False, "is not that of an Iceberg REST catalog"),
    "half of it": (200, '{"defaults": {', True, "broke off"),
}


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http_server(Handler) as address:
        yield address


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_reported_as_what_it_is(answer: str) -> None:
    status, body, transient, words = ANSWERS[answer]
    with answering(status, body) as uri, pytest.raises(CatalogError) as raised:
        open_catalog("lake", {"type": "rest", "uri": uri})
    assert raised.value.transient is transient
    assert words in str(raised.value)
    assert "<html" not in str(raised.value)
    assert "that the catalog runs" not in str(raised.value)


class Hierarchy:
    """A catalog that takes a namespace only into one that is there, as REST catalogs do.

    Nessie says 409 where two above are missing, which pyiceberg takes for a namespace that is there.
    """

    def __init__(self, missing: type[Exception]) -> None:
        self.missing = missing
        self.there: list[tuple[str, ...]] = []

    def namespace_exists(self, namespace: tuple[str, ...]) -> bool:
        return namespace in self.there

    def create_namespace(self, namespace: tuple[str, ...]) -> None:
        if namespace in self.there:
            raise NamespaceAlreadyExistsError
        if namespace[:-1] and namespace[:-1] not in self.there:
            response = Response()
            response.status_code = 404
            raise self.missing("the parent is not there") from HTTPError(response=response)
        self.there.append(namespace)


@pytest.mark.parametrize("missing", [RESTError, NamespaceAlreadyExistsError])
def test_namespaces_above_are_made_first(missing: type[Exception]) -> None:
    catalog = Hierarchy(missing)
    assert make_namespace(catalog, ("a", "b", "c")) == ("a",)  # type: ignore[arg-type]
    assert catalog.there == [("a",), ("a", "b"), ("a", "b", "c")]
    assert make_namespace(catalog, ("a", "b", "d")) == ("a", "b", "d")  # type: ignore[arg-type]
    assert make_namespace(catalog, ("a", "b")) is None  # type: ignore[arg-type]
