"""The response to one statement: JSON documents, one per line, which are only complete together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from influx_lake.sources.http import HttpFailures
from influx_lake.sources.http.documents import json_of, not_json


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of one series of a response.

    Attributes:
        name: Its name.
        columns: The names of its columns.
        values: Its rows, as JSON values; each has a value for every column.
    """

    name: str
    columns: tuple[str, ...]
    values: list[list[Any]]

    def texts(self, count: int, failures: HttpFailures) -> list[tuple[str, ...]]:
        """The first values of each row, all of them strings.

        Raises:
            UnexpectedAnswer: There are fewer values, or not all are strings.
        """
        if len(self.columns) < count or not all(isinstance(each, str) for row in self.values for each in row[:count]):
            raise failures.odd(f"the response is not a list of strings, but has the columns {list(self.columns)}")
        return [tuple(row[:count]) for row in self.values]


class Documents:
    """Takes the documents of a response one by one. The documents state which is the last one, not the end of the
    stream.

    Args:
        failures: Makes the errors.
    """

    def __init__(self, failures: HttpFailures) -> None:
        self._failures = failures
        self._received = False
        self._more = True

    def series(self, document: Any) -> list[Series]:
        """The series in a document.

        Raises:
            SourceError: It reports that the statement failed, or is not part of this response.
        """
        result = self._result(document)
        if not self._more:
            raise self._failures.odd("the response continues after its last document")
        found = result.get("series") or []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._failures.odd("`series` is not a list of objects")
        self._received = True
        self._more = bool(result.get("partial")) or any(bool(each.get("partial")) for each in found)
        return [self._one(each) for each in found]

    def end(self) -> None:
        """The end of the stream.

        Raises:
            StreamBroken: The response was not complete.
        """
        if not self._received:
            raise self._failures.truncated("the response is empty, which even one without rows is not")
        if self._more:
            raise self._failures.truncated("the response ended although the server had announced more")

    def _result(self, document: Any) -> dict[str, Any]:
        """The result of the one statement that was sent."""
        if not isinstance(document, dict):
            raise self._failures.odd("the response is not an object")
        if "error" in document:
            raise self._failures.refused(str(document["error"]))
        results = document.get("results")
        if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
            raise self._failures.odd("the response is not the result of one statement")
        result: dict[str, Any] = results[0]
        self._tell(result.get("messages"))
        if "error" in result:
            raise self._failures.refused(str(result["error"]))
        # Servers before 1.1 do not number statements, and return an empty result for one without rows.
        number = result.get("statement_id", 0 if result.get("series") else None)
        if number != 0 or isinstance(number, bool):
            raise self._failures.odd(f"the response has statement_id {number}, expected 0")
        return result

    def _tell(self, messages: Any) -> None:
        """Log the server's messages: `[{"level": "warning", "text": "..."}]`."""
        for each in messages if isinstance(messages, list) else [messages] if messages else ():
            if isinstance(each, dict) and each.get("text"):
                self._failures.warn(f"{each.get('level') or 'message'}: {each['text']}")
            else:
                self._failures.warn(str(each))

    def _one(self, series: dict[str, Any]) -> Series:
        name, columns, values = series.get("name", ""), series.get("columns"), series.get("values") or []
        if not isinstance(name, str) or not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
            raise self._failures.odd("a series of the response has no columns")
        if not isinstance(values, list) or not all(
            isinstance(row, list) and len(row) == len(columns) for row in values
        ):
            raise self._failures.odd(f"a series of {len(columns)} columns has rows of other lengths")
        return Series(name, tuple(columns), values)


def read_series(lines: Iterable[bytes], failures: HttpFailures) -> Iterator[Series]:
    """The series of a response with few rows.

    Raises:
        SourceError: The response contains an error, or is not complete.
    """
    documents = Documents(failures)
    for line in lines:
        yield from documents.series(parsed(line, failures))
    documents.end()


def parsed(line: bytes, failures: HttpFailures) -> Any:
    """Parse the document on a line.

    Raises:
        StreamBroken: The stream ended inside it: a server that dies closes the connection in the middle of a document.
        UnexpectedAnswer: It is not JSON.
    """
    try:
        return json_of(line)
    except ValueError as error:
        ends_early = isinstance(error, JSONDecodeError | UnicodeDecodeError) and not line.endswith(b"\n")
        if ends_early and line.startswith(b"{"):
            raise failures.truncated("the response ended in the middle of a document") from None
        raise failures.odd(not_json(line, error)) from None
