"""A server that takes OpenLineage's events, and holds each against the specification.

`spec/` has the JSON Schemas of OpenLineage 1.54 (https://github.com/OpenLineage/OpenLineage, folder `spec`), unchanged:
Copyright 2018-2026 contributors to the OpenLineage project, Apache License 2.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from testbed.http_server import http_server

SPEC = Path(__file__).parent / "spec"
EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json"


@dataclass
class LineageServer:
    """The server.

    Attributes:
        url: Its address.
        events: What it was sent.
        tokens: What it was sent as Authorization.
        status: What it answers.
    """

    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    status: int = 201

    def of(self, job: str, state: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["job"]["name"] == job and each["eventType"] == state]


@contextmanager
def lineage_server() -> Iterator[LineageServer]:
    told = LineageServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/api/v1/lineage"
            told.tokens.add(self.headers.get("Authorization", ""))
            told.events.append(json.loads(body))
            self.send_response(told.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    with http_server(Handler) as url:
        told.url = url
        yield told


def mistakes(event: dict[str, Any]) -> list[str]:
    """What the specification says is wrong with an event and its facets."""
    found = _found(EVENT, event)
    sets = [event["run"], event["job"], *event.get("inputs", []), *event.get("outputs", [])]
    for each in sets:
        for kind in ("facets", "inputFacets", "outputFacets"):
            for name, facet in each.get(kind, {}).items():
                document, _, _ = facet["_schemaURL"].partition("#")
                found += _found(document, {name: facet})
    return found


def _found(document: str, value: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in _validator(document).iter_errors(value)]


@cache
def _validator(document: str) -> Draft202012Validator:
    schemas = [json.loads(path.read_text()) for path in SPEC.glob("*.json")]
    registry = Registry[Any]().with_resources((each["$id"], Resource.from_contents(each)) for each in schemas)
    return Draft202012Validator({"$ref": document}, registry=registry, format_checker=FormatChecker())
