"""InfluxDB 3's HTTP interface: writes line protocol, asks small questions."""

from __future__ import annotations

import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from influx_lake.errors import DataRefused, QueryRejected, SourceUnavailable

BATCH_BYTES = 4_000_000
"""Well below the 10 MiB that the server takes at once."""
_TIMEOUT_SECONDS = 300


class HttpClient:
    """One database of a server.

    Args:
        url: The server.
        database: The database.
        token: Its token.
    """

    def __init__(self, url: str, database: str, token: str | None) -> None:
        self._url = url
        self._database = database
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def write(self, lines: Iterable[str], precision: str = "nanosecond") -> int:
        """Write lines in batches, each as a whole or not at all.

        Returns:
            How many lines were sent.

        Raises:
            DataRefused: The server does not take one of them.
            SourceUnavailable: It cannot be reached.
        """
        query = urlencode({"db": self._database, "precision": precision, "accept_partial": "false"})
        sent = 0
        for batch in _batches(lines):
            self._post(f"/api/v3/write_lp?{query}", gzip.compress("\n".join(batch).encode(), 1), first=sent + 1)
            sent += len(batch)
        return sent

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a small answer.

        Raises:
            QueryRejected: The server does not answer it.
            SourceUnavailable: It cannot be reached.
        """
        body = json.dumps({"db": self._database, "q": sql, "format": "json"}).encode()
        request = urllib.request.Request(f"{self._url}/api/v3/query_sql", body, self._headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                rows: list[dict[str, Any]] = json.load(answer)
                return rows
        except urllib.error.HTTPError as error:
            raise QueryRejected(f"the server refused a query: {_text(error)}") from None
        except OSError as error:
            raise self._unavailable(error) from None

    def _post(self, path: str, body: bytes, first: int) -> None:
        headers = {**self._headers, "Content-Encoding": "gzip"}
        request = urllib.request.Request(self._url + path, body, headers, method="POST")  # noqa: S310
        try:
            urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            raise _refused(_text(error), first) from None
        except OSError as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: OSError) -> SourceUnavailable:
        return SourceUnavailable(f"{self._url} cannot be reached: {error}", remedy="Check that the server runs")


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


def _text(error: urllib.error.HTTPError) -> str:
    return error.read().decode(errors="replace")[:2_000]


def _refused(text: str, first: int) -> DataRefused:
    """The server's complaint, with the number of the point among all that were sent."""
    try:
        found = json.loads(text)["data"]
        shown = f"{found['error_message']} (point {first + found['line_number'] - 1}: {found['original_line']}...)"
    except (ValueError, KeyError, TypeError):
        shown = text
    return DataRefused(f"the server does not take the points: {shown}", remedy="Correct the line protocol")
