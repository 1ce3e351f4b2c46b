"""The text of an exception, its classes, and which side raised it."""

from __future__ import annotations

import re
from enum import Enum
from types import TracebackType

from influx_lake.config.references.secret import redact

_LONGEST = 500
_PAGE = re.compile(r"<!doctype html|<html", re.IGNORECASE)
_PLACES = (
    (re.compile(r"pyiceberg\.(io|serializers)\b"), "store"),
    (re.compile(r"pyiceberg\.catalog\b|influx_lake\.iceberg\.catalogs\.sql_catalog"), "catalog"),
    # Rows are read while files are written: an error of the source comes from neither side.
    (re.compile(r"influx_lake\.sources\b"), "other"),
)


class RaisedBy(Enum):
    """Which side of an Iceberg table an error comes from."""

    CATALOG = "catalog"
    STORE = "store"
    OTHER = "other"


def class_names(error: BaseException) -> set[str]:
    """The names of an error's class and its base classes.

    Classes are compared by name: boto3, thrift and database drivers are installed only for catalogs that need them.
    """
    return {kind.__name__ for kind in type(error).__mro__}


def packages(error: BaseException) -> set[str]:
    """The packages of an error's class and its base classes."""
    return {kind.__module__.partition(".")[0] for kind in type(error).__mro__}


def text_of(error: BaseException) -> str:
    """An error's class and the first line of its text."""
    return f"{type(error).__name__}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without secrets and HTML pages."""
    line = (redact(str(error)).strip() or "no message").splitlines()[0]
    if page := _PAGE.search(line):
        line = f"{line[: page.start()]}(a page of HTML)"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def holds_page(error: BaseException) -> bool:
    """Whether an error's text contains an HTML page."""
    return _PAGE.search(str(error)) is not None


def raised_by(error: BaseException) -> RaisedBy:
    """The side that raised an error: the part of pyiceberg that was entered last before it."""
    found, step = "other", error.__traceback__
    while step is not None:
        found = _place(step) or found
        step = step.tb_next
    return RaisedBy(found)


def _place(step: TracebackType) -> str | None:
    module = str(step.tb_frame.f_globals.get("__name__", ""))
    return next((place for pattern, place in _PLACES if pattern.match(module)), None)
