"""Rows of CSV below a header, as defined by RFC 4180; what is not a row, or may be incomplete, is reported."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from influx_lake.config import LandingZoneConfig
from influx_lake.config.connections.point_files import TRAILING_NEWLINE
from influx_lake.errors import FileUnreadable
from influx_lake.sources.files.file_check import UTF8_MARK
from influx_lake.sources.files.limits import FileLimits
from influx_lake.sources.landing_zone.unreadable_part import Unreadable

Records = Iterator[tuple[int, object]]
"""Each record with its line number."""

_DELIMITERS = {",": ",", ";": ";", "\t": "\\t", "|": "|"}
_ANNOTATIONS = ("#datatype", "#group", "#default")
_VALUE = re.compile(r"-?\d[\d.:+TZ -]*")
_NOT_UTF8, _NUL = "is not UTF-8 (Latin-1?)", "contains NUL bytes: space that was never written to"
_UNENDED = (
    "is the last line and has no line break: the file may have been cut off, or is still being written, and its last "
    f"value may be incomplete (`{TRAILING_NEWLINE}: optional` accepts it)"
)
_CAUSES = {
    "new-line character seen": "it holds a carriage return outside of quotes: lines end in LF, or in CR and LF",
    "unexpected end of data": "a quote is opened, and not closed",
    "expected after": "there is text after a closing quote: a quote inside a value must be written twice",
}
"""The cause of an error, by a part of the message of Python's reader."""
# `max_document` limits the length of values; this limit would apply to all readers of the process.
csv.field_size_limit(2**31 - 1)


def _cause(error: csv.Error) -> str:
    return next((cause for part, cause in _CAUSES.items() if part in str(error)), "it violates RFC 4180")


@dataclass(slots=True)
class CsvRows:
    """The rows of a file.

    Attributes:
        lines: Its lines, with their numbers.
        uri: The file's URI.
        limits: The size limits of rows.
        config: The options of the file's columns.
        measurement: The measurement of all rows; None if each row names its own.
        pause: Whether to stop after a row, to continue later with the lines available then.
        passed: How many lines were read so far, here or by others.
        columns: The names of the columns, once they are known.
        between: Whether no row was begun of the lines that were read.
    """

    lines: Iterator[tuple[int, bytes]]
    uri: str
    limits: FileLimits
    config: LandingZoneConfig
    measurement: str | None
    pause: Callable[[], bool] = lambda: False
    passed: int = 0
    columns: list[str] | None = None
    between: bool = True
    _size: int = 0
    _raw: list[str] = field(default_factory=list)
    _odd: list[str] = field(default_factory=list)

    def records(self) -> Records:
        """The rows. An unreadable one counts once for each of its lines: an unclosed quote swallows others.

        Raises:
            FileUnreadable: There is no header, or it does not name the needed columns.
        """
        header = self.header()
        for begin, row in self._rows():
            if isinstance(row, Unreadable):
                for number in range(begin, self.passed + 1):
                    yield number, row
            elif row != header:
                self._check_no_header(row, header, begin)
                fits = len(row) == len(header)
                yield begin, dict(zip(header, row, strict=True)) if fits else self._ragged(row, header)
            if self.pause():
                return

    def header(self) -> list[str]:
        """The names of the columns, read from the first row unless they are configured; empty if there are no rows.

        Raises:
            FileUnreadable: There is no header, or it does not name the needed columns.
        """
        if self.columns is None:
            self.columns = list(self.config.header) or self._header(self._rows())
        return self.columns

    def _rows(self) -> Iterator[tuple[int, list[str] | Unreadable]]:
        """The rows that are not empty, each with the line where it begins."""
        rows = csv.reader(self._texts(), delimiter=self.config.delimiter, strict=True)
        while True:
            begin = self.passed + 1
            self._size = 0
            self._raw.clear()
            self._odd.clear()
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield begin, self._unreadable(f"is not CSV: {_cause(error)}")
                continue
            finally:
                self.between = True
            if row is None:
                return
            if self._odd:
                yield begin, self._unreadable(self._odd[0])
            elif row:
                yield begin, row

    def _texts(self) -> Iterator[str]:
        for number, line in self.lines:
            self.passed = number
            self._size += len(line)
            self.limits.check_line(self._size, self.uri, number)
            try:
                text = (line.removeprefix(UTF8_MARK) if number == 1 else line).decode()
            except UnicodeDecodeError:
                text = line.decode(errors="backslashreplace")
                self._odd.append(_NOT_UTF8)
            if "\0" in text:
                self._odd.append(_NUL)
            self._raw.append(text)
            if not text.endswith("\n"):
                if not text.endswith("\r") and self.config.trailing_newline == "required":
                    self._odd.append(_UNENDED)
                text += "\n"
            self.between = False
            yield text

    def _unreadable(self, reason: str) -> Unreadable:
        return Unreadable(reason, "".join(self._raw))

    def _ragged(self, row: Sequence[str], header: Sequence[str]) -> Unreadable:
        return self._unreadable(
            f"has {len(row)} values, where the header has {len(header)} columns: a value with the delimiter in it "
            "needs quotes; Telegraf writes the header once, with the first metric's columns, so that metrics of other "
            "columns need files of their own"
        )

    def _check_no_header(self, row: Sequence[str], header: Sequence[str], line: int) -> None:
        """Make sure that a row is not another header: the values below it would get the names of the first one.

        Raises:
            FileUnreadable: It is one.
        """
        place = header.index(self.config.timestamp)
        if place >= len(row) or _VALUE.fullmatch(row[place]) or self.config.timestamp not in row:
            return
        if row[place] == self.config.timestamp or 2 * len(set(header).intersection(row)) > len(row):
            raise FileUnreadable(
                f"{self.uri}, line {line:,}: this is another header, with other columns than the first one has: "
                f"{', '.join(row)[:200]}",
                remedy="Write a file for each header; repetitions of the first header are skipped",
            )

    def _header(self, rows: Iterator[tuple[int, list[str] | Unreadable]]) -> list[str]:
        begin, header = next(rows, (0, []))
        where = f"{self.uri}, line {begin:,}"
        if isinstance(header, Unreadable):
            raise FileUnreadable(f"{where}: the header {header.reason}", remedy="Write the file again")
        if not header:
            return []
        if header[0].startswith(_ANNOTATIONS):
            raise FileUnreadable(
                f"{where}: this is annotated CSV, the format of query results of InfluxDB 2",
                remedy="Write it without annotations, one column for each field",
            )
        if spaced := [name for name in header if name != name.strip() and name.strip()]:
            raise FileUnreadable(
                f"{where}: the header has spaces around the name of a column, {spaced[0]!r}, which are part of it",
                remedy="Remove them there and around the values",
            )
        wanted = [self.config.timestamp, *([] if self.measurement else [self.config.measurement_column])]
        if missing := [name for name in wanted if name not in header]:
            raise self._without(missing[0], header, where)
        if again := [name for name, count in Counter(header).items() if count > 1]:
            raise FileUnreadable(f"{where}: the header has the column {again[0]!r} twice", remedy="Rename one of them")
        if "" in header:
            raise FileUnreadable(
                f"{where}: column {header.index('') + 1} of the header has no name",
                remedy="Name it, or leave it out (pandas: to_csv(index=False))",
            )
        return header

    def _without(self, name: str, header: Sequence[str], where: str) -> FileUnreadable:
        """The error for a header without a needed column."""
        option = "timestamp" if name == self.config.timestamp else "measurement_column"
        shown = ", ".join(header)[:200]
        others = [each for each in _DELIMITERS if each != self.config.delimiter and each in header[0]]
        if len(header) == 1 and others:
            return FileUnreadable(
                f"{where}: the header has no column {name!r}, and seems to be separated by {_DELIMITERS[others[0]]!r}: "
                f"{shown}",
                remedy=f'Set `delimiter: "{_DELIMITERS[others[0]]}"`',
            )
        if any(_VALUE.fullmatch(each) for each in header):
            return FileUnreadable(
                f"{where}: a header is missing, this is a row of values: {shown}",
                remedy="Write a header, or name the columns with `header` (`header: [timestamp, ...]`)",
            )
        return FileUnreadable(
            f"{where}: the header has no column {name!r}: {shown}",
            remedy=f"Set `{option}` to the right column, or, if the file has no header, name the columns with `header`",
        )
