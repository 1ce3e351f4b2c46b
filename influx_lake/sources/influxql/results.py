"""The answer to one statement: JSON documents, one per line, which are whole only together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from influx_lake.sources.http import HttpFailures
from influx_lake.sources.http.documents import json_of, not_json


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of one series of an answer.

    Attributes:
        name: What it is of.
        columns: The names of its columns.
        values: Its rows, as JSON has them; each has a value for every column.
    """

    name: str
    columns: tuple[str, ...]
    values: list[list[Any]]

    def texts(self, count: int, failures: HttpFailures) -> list[tuple[str, ...]]:
        """The first values of each row.

        Raises:
            UnexpectedAnswer: They are not all texts, or there are fewer.
        """
        if len(self.columns) < count or not all(isinstance(each, str) for row in self.values for each in row[:count]):
            raise failures.odd(f"a list of texts was asked for, and the columns {list(self.columns)} came")
        return [tuple(row[:count]) for row in self.values]


class Documents:
    """Takes the documents of an answer one by one. Which is the last one they say themselves, not the stream's end.

    Args:
        failures: Makes the errors.
    """

    def __init__(self, failures: HttpFailures) -> None:
        self._failures = failures
        self._came = False
        self._more = True

    def series(self, document: Any) -> list[Series]:
        """The series that a document holds.

        Raises:
            SourceError: The server says in it that the statement failed, or it is not of this answer.
        """
        result = self._result(document)
        if not self._more:
            raise self._failures.odd("the answer goes on behind its end")
        found = result.get("series") or []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._failures.odd("what should be a list of series is none")
        self._came = True
        self._more = bool(result.get("partial")) or any(bool(each.get("partial")) for each in found)
        return [self._one(each) for each in found]

    def end(self) -> None:
        """The stream has ended.

        Raises:
            StreamBroken: The answer had not.
        """
        if not self._came:
            raise self._failures.truncated("the answer holds nothing, and one without rows says that it has none")
        if self._more:
            raise self._failures.truncated("the answer ended where the server had announced more")

    def _result(self, document: Any) -> dict[str, Any]:
        """The result of the one statement that was sent, as far as a document has it."""
        if not isinstance(document, dict):
            raise self._failures.odd("the answer is not an object")
        if "error" in document:
            raise self._failures.refused(str(document["error"]))
        results = document.get("results")
        if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
            raise self._failures.odd("the answer does not hold the result of one statement")
        result: dict[str, Any] = results[0]
        self._tell(result.get("messages"))
        if "error" in result:
            raise self._failures.refused(str(result["error"]))
        # Servers before 1.1 number no statement, and say of one without rows nothing at all.
        number = result.get("statement_id", 0 if result.get("series") else None)
        if number != 0 or isinstance(number, bool):
            raise self._failures.odd(f"the answer is to the statement {number}, and statement 0 was sent")
        return result

    def _tell(self, messages: Any) -> None:
        """Log what the server says beside its rows: `[{"level": "warning", "text": "..."}]`."""
        for each in messages if isinstance(messages, list) else [messages] if messages else ():
            if isinstance(each, dict) and each.get("text"):
                self._failures.warn(f"{each.get('level') or 'message'}: {each['text']}")
            else:
                self._failures.warn(str(each))

    def _one(self, series: dict[str, Any]) -> Series:
        name, columns, values = series.get("name", ""), series.get("columns"), series.get("values") or []
        if not isinstance(name, str) or not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
            raise self._failures.odd("a series of the answer has no columns")
        if not isinstance(values, list) or not all(
            isinstance(row, list) and len(row) == len(columns) for row in values
        ):
            raise self._failures.odd(f"a series of {len(columns)} columns has rows of other lengths")
        return Series(name, tuple(columns), values)


def read_series(lines: Iterable[bytes], failures: HttpFailures) -> Iterator[Series]:
    """The series of an answer with few rows.

    Raises:
        SourceError: The server says so in the answer, or it is not complete.
    """
    documents = Documents(failures)
    for line in lines:
        yield from documents.series(parsed(line, failures))
    documents.end()


def parsed(line: bytes, failures: HttpFailures) -> Any:
    """The document on a line.

    Raises:
        StreamBroken: The stream ended in it: a server that dies closes the connection in the middle of a document.
        UnexpectedAnswer: It is no JSON.
    """
    try:
        return json_of(line)
    except ValueError as error:
        ends_early = isinstance(error, JSONDecodeError | UnicodeDecodeError) and not line.endswith(b"\n")
        if ends_early and line.startswith(b"{"):
            raise failures.truncated("the answer ended in the middle of a document") from None
        raise failures.odd(not_json(line, error)) from None
