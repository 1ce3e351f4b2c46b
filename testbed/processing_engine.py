"""Loads a plugin and calls it as InfluxDB 3's processing engine does (3.10's `influxdb3_py_api`).

The text is run anew for each call, in globals of its own; arguments are positional; what a plugin writes is written
when its call has ended, and comes back to triggers on all tables; values that are kept are in a cache, of the trigger
or of all of them; of a request's answer the engine makes a response as Flask does.
"""

from __future__ import annotations

import builtins
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

from influx_lake.sources.line_protocol.grammar import parse_line, parse_series

Row = dict[str, Any]


class LineBuilder:
    """A line of line protocol, with the methods that the engine's has."""

    def __init__(self, measurement: str, quotes_first: bool = False) -> None:
        if " " in measurement:
            raise ValueError("a blank in a measurement's name")
        self._escapes = '"\\' if quotes_first else '\\"'
        self._name, self._tags, self._fields = measurement, dict[str, str](), dict[str, str]()
        self._time: int | None = None

    def tag(self, key: str, value: str) -> LineBuilder:
        self._tags[key] = "".join(f"\\{char}" if char in "\\,= " else char for char in str(value))
        return self

    def int64_field(self, key: str, value: int) -> LineBuilder:
        self._fields[key] = f"{value}i"
        return self

    def uint64_field(self, key: str, value: int) -> LineBuilder:
        self._fields[key] = f"{value}u"
        return self

    def string_field(self, key: str, value: str) -> LineBuilder:
        for char in self._escapes:
            value = value.replace(char, f"\\{char}")
        self._fields[key] = f'"{value}"'
        return self

    def time_ns(self, moment: int) -> LineBuilder:
        self._time = moment
        return self

    def build(self) -> str:
        if not self._fields:
            raise ValueError("a line without a field")
        series = ",".join([self._name.replace(",", "\\,"), *(f"{key}={text}" for key, text in self._tags.items())])
        fields = ",".join(f"{key}={text}" for key, text in self._fields.items())
        return f"{series} {fields}" + ("" if self._time is None else f" {self._time}")


class Cache:
    """What plugins keep: each trigger its own, and what is for all of them."""

    def __init__(self, shared: dict[str, Any]) -> None:
        self._own: dict[str, Any] = {}
        self._shared = shared

    def put(self, key: str, value: Any, ttl: float | None = None, use_global: bool | None = None) -> None:  # noqa: ARG002
        (self._shared if use_global else self._own)[key] = value

    def get(self, key: str, default: Any = None, use_global: bool | None = None) -> Any:
        return (self._shared if use_global else self._own).get(key, default)

    def delete(self, key: str, use_global: bool | None = None) -> bool:
        return (self._shared if use_global else self._own).pop(key, None) is not None


@dataclass
class Local:
    """The `influxdb3_local` of a call. A plugin that queries fails: in 3.6 an answer has 0 where nothing was."""

    cache: Cache
    logged: list[tuple[str, str]]
    lines: list[str] = field(default_factory=list)

    def write(self, line: Any) -> None:
        self.lines.append(line.build())

    def info(self, *words: Any) -> None:
        self.logged.append(("info", " ".join(map(str, words))))

    def warn(self, *words: Any) -> None:
        self.logged.append(("warn", " ".join(map(str, words))))

    def error(self, *words: Any) -> None:
        self.logged.append(("error", " ".join(map(str, words))))

    def query(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the plugin asked the database something")


@dataclass
class ProcessingEngine:
    """The engine of one database, with triggers that all run one plugin.

    Attributes:
        plugin: The plugin's file.
        arguments: The triggers' arguments; None where they have none.
        sink: Gets the lines that the plugin writes.
        logged: What the plugin logged.
        output: The lines that it wrote.
        quotes_first: Whether it escapes the quotes of a text before its backslashes, as some versions do: a line with
            a quote is then refused.
    """

    plugin: Path
    arguments: Mapping[str, str] | None = None
    sink: Callable[[str], object] = lambda lines: None
    logged: list[tuple[str, str]] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    quotes_first: bool = False
    _shared: dict[str, Any] = field(default_factory=dict)
    _caches: dict[str, Cache] = field(default_factory=dict)

    def writes(self, batches: list[Any]) -> None:
        """A WAL flush: tables, each with its rows."""
        self._call("process_writes", batches)

    def flush(self, **tables: Iterable[Row]) -> None:
        """A WAL flush of some rows."""
        self.writes([{"table_name": name, "rows": list(rows)} for name, rows in tables.items()])

    def scheduled(self) -> None:
        """A tick of a schedule: whole seconds, local time, no zone."""
        self._call("process_scheduled_call", datetime.fromtimestamp(int(datetime.now(UTC).timestamp())))  # noqa: DTZ006

    def request(self, query: Mapping[str, str] | None = None, body: bytes = b"") -> tuple[int, Any]:
        """A request; the status and the body of the response."""
        answer = self._call("process_request", dict(query or {}), {"host": "127.0.0.1:8181"}, body)
        status = 200
        if isinstance(answer, tuple):
            answer, status = answer[0], answer[1]
        if answer is None or not isinstance(status, int):
            raise AssertionError("the engine makes a 500 of this answer")
        return status, json.loads(json.dumps(answer))

    def restart(self) -> None:
        """The database stops and starts: the caches are empty."""
        self._shared, self._caches = {}, {}

    def _call(self, function: str, *arguments: Any) -> Any:
        cache = self._caches.setdefault(function, Cache(self._shared))
        local = Local(cache, self.logged)
        with _line_builder(self.quotes_first):
            names: dict[str, Any] = {}
            exec(self._code(), names)
            answer = names[function](local, *arguments, dict(self.arguments) if self.arguments else None)
        self._written(local.lines)
        return answer

    def _code(self) -> CodeType:
        # The engine is given the text, and compiles it each time.
        return compile(self.plugin.read_text(), "<string>", "exec")

    def _written(self, lines: list[str]) -> None:
        if not lines:
            return
        self.output += lines
        self.sink("\n".join(lines))
        tables: dict[str, list[Row]] = {}
        for line in lines:
            parsed = parse_line(line.encode())
            name, tags = parse_series(parsed.series)
            row = {**dict(tags), **{each.name: each.value for each in parsed.fields}, "time": parsed.time}
            tables.setdefault(name, []).append(row)
        self.flush(**tables)


_LOCK = threading.RLock()


class _line_builder:  # noqa: N801
    """The engine puts its `LineBuilder` where every plugin sees it."""

    def __init__(self, quotes_first: bool) -> None:
        self._quotes_first = quotes_first

    def __enter__(self) -> None:
        _LOCK.acquire()
        builtins.LineBuilder = partial(LineBuilder, quotes_first=self._quotes_first)  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        if hasattr(builtins, "LineBuilder"):
            del builtins.LineBuilder
        _LOCK.release()
