"""Deletes windows at an InfluxDB 1, by `DELETE`.

That statement takes no retention policy: it deletes the points of a measurement in all policies of its database
(observed with 1.8.10). So a window cannot be deleted where another policy has points of it.
"""

from __future__ import annotations

import json
from typing import Any

from influx_lake.config.connections import InfluxDB1Config
from influx_lake.config.values.windows import Window
from influx_lake.sources.http import HttpConnection, Request
from influx_lake.sources.influxql import InfluxDB1Server, InfluxQLSource, statements


class InfluxDB1Deletion:
    """Deletes windows at one database of an InfluxDB 1.

    Args:
        config: The server and its database.
    """

    def __init__(self, config: InfluxDB1Config) -> None:
        self._server = InfluxDB1Server(config)
        self._source = InfluxQLSource(self._server)
        self._http = HttpConnection(config, self._server.headers)

    def objection(self, measurement: str, window: Window) -> str | None:
        """Why a window cannot be deleted alone: other retention policies have points of it."""
        place, name = self._source.located(measurement)
        own = place.policy or self._default_policy(place.database)
        for policy in self._source.policies():
            if policy != own and self._has_points(statements.Place(place.database, policy), name, window):
                return (
                    f"the retention policy {policy!r} has points of {name!r} in it too, and InfluxDB 1's DELETE takes "
                    f"no retention policy: those would be deleted with those of {own!r}"
                )
        return None

    def delete(self, measurement: str, window: Window) -> None:
        """Delete every point of a window."""
        place, name = self._source.located(measurement)
        self._run(statements.deletion(name, window), place.database, measurement, window)

    def close(self) -> None:
        """Release connections."""
        self._source.close()
        self._http.close()

    def _default_policy(self, database: str) -> str:
        [series] = self._run(statements.retention_policies(database), database)
        columns, failures = series.get("columns") or [], self._server.failures()
        if "default" not in columns or "name" not in columns:
            raise failures.odd("the list of retention policies does not say which is the default one")
        rows = [row for row in series.get("values") or [] if row[columns.index("default")] is True]
        if len(rows) != 1:
            raise failures.odd(f"{len(rows)} retention policies are said to be the default one")
        return str(rows[0][columns.index("name")])

    def _has_points(self, place: statements.Place, name: str, window: Window) -> bool:
        return bool(self._run(statements.any_point(place, name, window), place.database, name, window))

    def _run(
        self, statement: str, database: str, measurement: str | None = None, window: Window | None = None
    ) -> list[dict[str, Any]]:
        """The series of a statement's result.

        Raises:
            SourceError: The statement failed, or the response has no result for it.
        """
        failures = self._server.failures(measurement, window)
        status, headers, body = self._http.answer_to(Request.form("/query", db=database, q=statement), failures)
        if status != 200:
            raise failures.of_status(status, body, headers)
        try:
            [result] = json.loads(body)["results"]
            error, series = result.get("error"), result.get("series") or []
        except (ValueError, KeyError, TypeError, AttributeError):
            raise failures.odd("the response is not one statement's result") from None
        if error:
            raise failures.refused(str(error))
        return [dict(each) for each in series]
