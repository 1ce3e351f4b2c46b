"""A minimal Iceberg REST catalog for tests: the protocol's requests, answered by pyiceberg's own SQL catalog.

It proves our side of the protocol under concurrency (conflicts as 409, commits over HTTP), not any server's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    ForbiddenError,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableRequest, Table

from influx_lake.iceberg.catalogs.opening import open_catalog
from testbed.http_server import http_server

SEPARATOR = "\x1f"

STATUS = {
    CommitFailedException: 409,
    NamespaceAlreadyExistsError: 409,
    NamespaceNotEmptyError: 409,
    TableAlreadyExistsError: 409,
    ForbiddenError: 403,
    NoSuchNamespaceError: 404,
    NoSuchTableError: 404,
}


def _nothing(method: str, path: str) -> bool:
    return False


@contextmanager
def rest_catalog(properties: dict[str, str], refuses: Callable[[str, str], bool] = _nothing) -> Iterator[str]:
    """Serve a SQL catalog as a REST catalog on a free port of loopback; yields its address.

    Args:
        properties: The SQL catalog's.
        refuses: Whether a request is forbidden, by its method and its path behind the version of the protocol.
    """
    catalog = open_catalog("behind", properties)

    class Handler(_Handler):
        behind = catalog
        forbids = staticmethod(refuses)

    with http_server(Handler) as address:
        yield address


class _Handler(BaseHTTPRequestHandler):
    behind: Catalog
    forbids: Callable[[str, str], bool]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = [unquote(part) for part in self.path.partition("?")[0].partition("/v1/")[2].split("/")]
        try:
            self._check_allowed(method, "/".join(path))
            status, answer = 200, self._handle(method, path, json.loads(body) if body else {})
        except tuple(STATUS) as error:
            status = STATUS[type(error)]
            answer = {"error": {"message": str(error), "type": type(error).__name__, "code": status}}
        except Exception as error:
            status, answer = 500, {"error": {"message": repr(error), "type": "ServerError", "code": 500}}
        encoded = b"" if answer is None or method == "HEAD" else json.dumps(answer).encode()
        self.send_response(204 if answer is None else status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def _check_allowed(self, method: str, path: str) -> None:
        if self.forbids(method, path):
            raise ForbiddenError("this identity may not do that")

    def _handle(self, method: str, path: list[str], body: dict[str, Any]) -> dict[str, Any] | None:
        match method, path:
            case "GET", ["config"]:
                return {"defaults": {}, "overrides": {}}
            case "GET", ["namespaces"]:
                return {"namespaces": self.behind.list_namespaces()}
            case "POST", ["namespaces"]:
                self._create_namespace(tuple(body["namespace"]))
                return {"namespace": body["namespace"], "properties": {}}
            case "POST", ["tables", "rename"]:
                before, after = ((*body[end]["namespace"], body[end]["name"]) for end in ("source", "destination"))
                self.behind.rename_table(before, after)
                return None
        if path[:1] == ["namespaces"]:
            return self._in_namespace(method, tuple(path[1].split(SEPARATOR)), path[2:], body)
        raise NoSuchTableError(f"{method} {'/'.join(path)}")

    def _in_namespace(
        self, method: str, namespace: tuple[str, ...], path: list[str], body: dict[str, Any]
    ) -> dict[str, Any] | None:
        match method, path:
            case (("GET" | "HEAD"), []):
                return {"namespace": namespace, "properties": self.behind.load_namespace_properties(namespace)}
            case "DELETE", []:
                self.behind.drop_namespace(namespace)
                return None
            case "GET", ["tables"]:
                found = self.behind.list_tables(namespace)
                return {"identifiers": [{"namespace": each[:-1], "name": each[-1]} for each in found]}
            case "POST", ["tables"]:
                return _loaded(self._create(namespace, body))
            case (("GET" | "HEAD"), ["tables", name]):
                return _loaded(self.behind.load_table((*namespace, name)))
            case "DELETE", ["tables", name]:
                self.behind.drop_table((*namespace, name))
                return None
            case "POST", ["tables", name]:
                return self._commit((*namespace, name), body)
        raise NoSuchTableError(f"{method} {'/'.join(path)}")

    def _create_namespace(self, namespace: tuple[str, ...]) -> None:
        # As real servers do: pyiceberg's SQL catalog knows no parents.
        if len(namespace) > 1 and not self.behind.namespace_exists(namespace[:-1]):
            raise NoSuchNamespaceError(f"the parent of {'.'.join(namespace)} does not exist")
        self.behind.create_namespace(namespace)

    def _create(self, namespace: tuple[str, ...], body: dict[str, Any]) -> Table:
        spec = body.get("partition-spec")
        return self.behind.create_table(
            (*namespace, body["name"]),
            Schema.model_validate(body["schema"]),
            location=body.get("location"),
            partition_spec=PartitionSpec.model_validate(spec) if spec else UNPARTITIONED_PARTITION_SPEC,
            properties=body.get("properties", {}),
        )

    def _commit(self, identifier: tuple[str, ...], body: dict[str, Any]) -> dict[str, Any]:
        body["identifier"] = {"namespace": identifier[:-1], "name": identifier[-1]}
        request = CommitTableRequest.model_validate(body)
        done = self.behind.commit_table(self.behind.load_table(identifier), request.requirements, request.updates)
        return {"metadata-location": done.metadata_location, "metadata": json.loads(done.metadata.model_dump_json())}


def _loaded(table: Table) -> dict[str, Any]:
    metadata = json.loads(table.metadata.model_dump_json())
    return {"metadata-location": table.metadata_location, "metadata": metadata, "config": {}}
