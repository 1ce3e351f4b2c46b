"""A small HTTP client of InfluxDB 3 for the demonstration: writes line protocol, runs queries.

Not influxdb3-python, which has no `precision=auto`, and files need that.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from influx_lake.errors import DataRefused, QueryRejected, SourceUnavailable

if TYPE_CHECKING:
    from requests import Response

BATCH_BYTES = 4_000_000
"""The size of a batch, well below the server's limit of 10 MiB."""
_TIMEOUT_SECONDS = 300


class HttpClient:
    """A client of one database.

    Args:
        url: The server.
        database: The database.
        token: Its token.
    """

    def __init__(self, url: str, database: str, token: str | None) -> None:
        import requests

        self._url = url
        self._database = database
        self._session = requests.Session()
        # The sandbox is on this machine: no proxy.
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def write(self, lines: Iterable[str], precision: str = "nanosecond") -> int:
        """Write lines in batches, each all or nothing.

        Returns:
            How many lines were sent.

        Raises:
            DataRefused: The server does not take one of them.
            SourceUnavailable: It cannot be reached.
        """
        options = {"db": self._database, "precision": precision, "accept_partial": "false"}
        sent = 0
        for batch in _batches(lines):
            packed = gzip.compress("\n".join(batch).encode(), 1)
            answer = self._post("/api/v3/write_lp", params=options, data=packed, headers={"Content-Encoding": "gzip"})
            if not answer.ok:
                raise _refused(_text(answer), first=sent + 1)
            sent += len(batch)
        return sent

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Run a query with a small result.

        Raises:
            QueryRejected: The server does not answer it.
            SourceUnavailable: It cannot be reached.
        """
        answer = self._post("/api/v3/query_sql", json={"db": self._database, "q": sql, "format": "json"})
        if not answer.ok:
            raise QueryRejected(f"the server refused a query: {_text(answer)}")
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def _post(self, path: str, **content: Any) -> Response:
        import requests

        try:
            return self._session.post(self._url + path, timeout=_TIMEOUT_SECONDS, **content)
        except requests.RequestException as error:
            message = f"{self._url} cannot be reached: {error}"
            raise SourceUnavailable(message, remedy="Check that the server runs") from None


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line) + 1
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _text(answer: Response) -> str:
    return answer.text[:2_000]


def _refused(text: str, first: int) -> DataRefused:
    """The server's error, with the number of the point among all that were sent."""
    try:
        found = json.loads(text)["data"]
        shown = f"{found['error_message']} (point {first + found['line_number'] - 1}: {found['original_line']}...)"
    except (ValueError, KeyError, TypeError):
        shown = text
    return DataRefused(f"the server does not take the points: {shown}", remedy="Correct the line protocol")
