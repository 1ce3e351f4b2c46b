"""A client of InfluxDB 3's processing engine: its HTTP API and system tables (Core and Enterprise, 3.3 to 3.10)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from influx_lake.config import InfluxDB3Config
from influx_lake.engine.triggers import PLUGIN, Trigger, request_path
from influx_lake.errors import AuthenticationFailed, QueryRejected, SourceError, UnexpectedAnswer
from influx_lake.sources.http import HttpConnection, HttpFailures, Request
from influx_lake.sources.http.credentials import header_value
from influx_lake.sources.influxdb3.failures import Failures
from influx_lake.sources.influxdb3.http_queries import HttpQueries

_FILES = "/api/v3/plugins/files"
_TRIGGER = "/api/v3/configure/processing_engine_trigger"
_SETTINGS = {"run_async": False, "error_behavior": "log"}
_TRIGGERS = pa.schema([("trigger_name", pa.string()), ("plugin_filename", pa.string()), ("disabled", pa.bool_())])
_ARGUMENTS = pa.schema([(name, pa.string()) for name in ("trigger_name", "argument_key", "argument_value")])
_OK = 200
_FORBIDDEN = (401, 403)


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed trigger.

    Attributes:
        file: The plugin's file name.
        disabled: Whether it is disabled.
        arguments: Its arguments; None where the server does not show them.
    """

    file: str
    disabled: bool
    arguments: Mapping[str, str] | None


class NoProcessingEngine(QueryRejected):
    """The server has no processing engine, or none with a plugin directory."""


class EngineServer:
    """The processing engine of one database.

    Args:
        config: The server and its database.
    """

    def __init__(self, config: InfluxDB3Config) -> None:
        self._config = config
        self._failures = Failures(config)
        self._http = HttpConnection(config, self._headers)
        self._queries = HttpQueries(config)

    def upload(self) -> None:
        """Upload the plugin's file to the server's plugin directory, replacing an existing one.

        Raises:
            SourceError: The server refuses: older versions cannot, and others have it disabled.
        """
        content = {"plugin_name": PLUGIN.name, "content": PLUGIN.read_text(encoding="utf-8")}
        self._done(Request.json(_FILES, content))

    def triggers(self) -> dict[str, Installed]:
        """The database's triggers, by name.

        Raises:
            NoProcessingEngine: The server has none.
            SourceError: The server cannot be asked.
        """
        try:
            rows = self._table("processing_engine_triggers", _TRIGGERS)
        except QueryRejected as error:
            raise NoProcessingEngine(
                f"{self._failures.where} has no processing engine, or does not tell of its triggers: {reason(error)}",
                remedy="The plugin needs InfluxDB 3 Core or Enterprise with a --plugin-dir; without it leave `changes` "
                "out, or tell what changed by `POST /v1/changes` of influx-lake serve",
            ) from None
        arguments = self._arguments()
        return {
            row["trigger_name"]: Installed(
                row["plugin_filename"],
                bool(row["disabled"]),
                None if arguments is None else dict(arguments.get(row["trigger_name"], {})),
            )
            for row in rows
        }

    def _arguments(self) -> Mapping[str, Mapping[str, str]] | None:
        """The arguments of each trigger; None where the server does not show them."""
        try:
            rows = self._table("processing_engine_trigger_arguments", _ARGUMENTS)
        except QueryRejected:
            return None
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for row in rows:
            found[row["trigger_name"]][row["argument_key"]] = row["argument_value"]
        return found

    def create(self, trigger: Trigger) -> None:
        """Create a trigger, enabled.

        Raises:
            SourceError: The server refuses: the plugin's file is missing, or a trigger has this name.
        """
        content = {
            "db": self._config.database,
            "plugin_filename": PLUGIN.name,
            "trigger_name": trigger.name,
            "trigger_settings": _SETTINGS,
            "trigger_specification": trigger.specification,
            "trigger_arguments": dict(trigger.arguments),
            "disabled": False,
        }
        self._done(Request.json(_TRIGGER, content))

    def delete(self, name: str) -> None:
        """Disable and delete a trigger.

        Raises:
            SourceError: The server refuses.
        """
        query = Request.query(db=self._config.database, trigger_name=name, force="true")
        self._done(Request("DELETE", f"{_TRIGGER}?{query}"))

    def status(self) -> dict[str, Any]:
        """The plugin's answer to a status request.

        Raises:
            SourceError: It does not answer.
        """
        path = f"/api/v3/engine/{request_path(self._config.database)}?action=status"
        _, _, body = self._done(Request("GET", path))
        try:
            status = json.loads(body)
        except ValueError:
            status = None
        if not isinstance(status, dict) or status.get("plugin") != PLUGIN.stem:
            raise UnexpectedAnswer(f"{self._failures.where}: something else than the plugin answers at {path}")
        return status

    def close(self) -> None:
        self._http.close()
        self._queries.close()

    def _table(self, name: str, columns: pa.Schema) -> list[dict[str, Any]]:
        statement = f"SELECT {', '.join(columns.names)} FROM system.{name}"  # noqa: S608 - names of ours
        rows: list[dict[str, Any]] = self._queries.table(statement, self._failures, columns).to_pylist()
        return rows

    def _done(self, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        failures = HttpFailures(self._config, self._failures.where, self._refused)
        status, headers, body = self._http.answer_to(request, failures)
        if status in _FORBIDDEN:
            said = "asks for a token" if self._config.token is None else "did not accept the token"
            raise AuthenticationFailed(
                f"{self._failures.where}: the server {said} for {request.method} {request.path}",
                remedy="What runs inside the server takes an admin token: give the source one for as long as it takes",
            )
        if status != _OK:
            raise failures.of_status(status, body, headers)
        return status, headers, body

    def _refused(self, message: str) -> SourceError:
        # The engine answers 500 to whatever is wrong.
        return QueryRejected(f"{self._failures.where}: the processing engine refuses: {message}")

    def _headers(self) -> Mapping[str, str]:
        return {} if self._config.token is None else header_value("Bearer", self._config.token, self._config)


def reason(error: SourceError) -> str:
    """A server's message on one line."""
    return " ".join(error.message.split())
