"""Parses triggers of the plugin: TOML files, trigger arguments, CLI commands, request bodies.

The options and their formats are those of influxdata/influxdb3_plugins, `influxdata/influxdb_to_iceberg`, version 1.3.
Messages do not repeat values, since catalog configurations contain credentials.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from influx_lake.config.values.windows import parse_moment
from influx_lake.errors import ConfigurationError

DEFAULT_NAMESPACE = "default"
_OPTIONS = frozenset(
    {
        "measurement",
        "window",
        "catalog_configs",
        "included_fields",
        "excluded_fields",
        "namespace",
        "table_name",
        "auto_update_schema",
        "config_file_path",
        "batch_size",
        "backfill_start",
        "backfill_end",
    }
)
_ARGUMENT = re.compile(r"""\s*([A-Za-z_]\w*)\s*=\s*("(?:\\.|[^"\\])*"|'[^']*'|[^,]*)\s*(?:,|\Z)""", re.DOTALL)
_DURATION = re.compile(r"(\d+)(s|min|h|d|w)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EVERY = re.compile(r"every:(\d+)(s|m|min|h|d|w)")
_FOLDERS = ("PLUGIN_DIR", "INFLUXDB3_PLUGIN_DIR")
_COMMAND = "--trigger-arguments"


class _Mistake(Exception):
    """An option has a value that the plugin rejects."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of the plugin, or a request to it.

    Attributes:
        origin: Where it is defined, for people.
        measurement: The measurement.
        catalog: The catalog properties for pyiceberg's `load_catalog`, credentials included.
        window: The length of time before its call that each run transfers; None for a request.
        every: Its interval; None where unknown.
        included: The fields and tags to transfer; empty: all.
        excluded: The fields and tags not to transfer.
        namespace: The namespace of the table.
        table: The table's name.
        auto_update_schema: Whether new columns are added to the table.
        database: The trigger's database, where known.
        start: The start of the range, for a request that has one.
        ignored: Options that the plugin does not have.
    """

    origin: str
    measurement: str
    catalog: Mapping[str, Any] = field(repr=False)
    window: timedelta | None = None
    every: timedelta | None = None
    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    namespace: str = DEFAULT_NAMESPACE
    table: str = ""
    auto_update_schema: bool = False
    database: str | None = None
    start: datetime | None = None
    ignored: tuple[str, ...] = ()

    @property
    def identifier(self) -> tuple[str, ...]:
        """The table's identifier as pyiceberg parses it: each dot separates parts."""
        return tuple(f"{self.namespace}.{self.table or self.measurement}".split("."))


def read_triggers(texts: Sequence[str]) -> list[Trigger]:
    """Parse triggers.

    Args:
        texts: Files (TOML, JSON, or text with the commands that create triggers), or trigger arguments themselves.

    Raises:
        ConfigurationError: A text is neither, or has values that the plugin rejects.
    """
    found: list[Trigger] = []
    for number, text in enumerate(texts, start=1):
        file = _file(text)
        found += _read_file(file) if file else _parse_text(text, f"argument {number}")
    return found


def _file(text: str) -> Path | None:
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        # Arguments may exceed the length of a file name.
        return None


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8") from None


def _read_file(file: Path) -> Iterator[Trigger]:
    text = _content(file)
    if file.suffix == ".toml":
        yield _trigger(_toml(text, file), str(file), decoded=True)
    else:
        yield from _parse_text(text, str(file))


def _parse_text(text: str, origin: str) -> Iterator[Trigger]:
    stripped = text.strip()
    if stripped.startswith(("{", "[")):
        yield from _parse_json(stripped, origin)
    elif _COMMAND in stripped:
        yield from _parse_commands(stripped, origin)
    elif "=" in stripped:
        yield _parse_arguments(stripped, origin)
    else:
        raise ConfigurationError(
            f"{origin} is no file that is there, and has no trigger arguments",
            remedy="Name the TOML file of the trigger, or give its arguments: "
            "'measurement=cpu,window=24h,catalog_configs=\"...\"'",
        )


def _toml(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        at = re.search(r"\(at .*\)\Z", str(error))
        raise ConfigurationError(f"{file}: not TOML{f' {at[0]}' if at else ''}") from None


def _parse_json(text: str, origin: str) -> Iterator[Trigger]:
    """Parse the body of a request to the plugin, or of one that creates a trigger, or a list of them."""
    content = _json(text, origin)
    for each in content if isinstance(content, list) else [content]:
        if not isinstance(each, dict):
            raise ConfigurationError(f"{origin}: there is something else than objects")
        arguments = each.get("trigger_arguments")
        if isinstance(arguments, dict):
            every = _every(str(each.get("trigger_specification", "")))
            yield _trigger(arguments, origin, database=each.get("db") or each.get("database"), every=every)
        else:
            yield _trigger(each, origin, decoded=True)


def _parse_commands(text: str, origin: str) -> Iterator[Trigger]:
    try:
        words = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise ConfigurationError(f"{origin}: not the commands of a shell: {error}") from None
    options: dict[str, str] = {}
    commands: list[dict[str, str]] = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, separator, value = word.partition("=")
        if word == "influxdb3":
            options = {}
        elif name in ("--database", "-d", "--trigger-spec", _COMMAND):
            options["--database" if name == "-d" else name] = value if separator else following
            if name == _COMMAND:
                commands.append(options)
    for each in commands:
        every = _every(each.get("--trigger-spec", ""))
        yield _parse_arguments(each[_COMMAND], origin, database=each.get("--database"), every=every)


def _parse_arguments(text: str, origin: str, *, database: str | None = None, every: timedelta | None = None) -> Trigger:
    arguments, at = dict[str, Any](), 0
    while at < len(text):
        found = _ARGUMENT.match(text, at)
        if found is None:
            raise ConfigurationError(
                f"{origin}: not trigger arguments from character {at + 1} on",
                remedy="Write name=value with commas between, values with commas in quotes",
            )
        arguments[found[1]] = _unquoted(found[2].strip())
        at = found.end()
    if path := arguments.get("config_file_path"):
        file = _config_file(str(path), origin)
        content = _toml(_content(file), file)
        return _trigger(content, str(file), decoded=True, database=database, every=every)
    return _trigger(arguments, origin, database=database, every=every)


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value[1:-1]
    return value


def _config_file(path: str, origin: str) -> Path:
    folders = [*(Path(os.environ[name]) for name in _FOLDERS if os.environ.get(name)), Path()]
    found = next((folder / path for folder in folders if (folder / path).is_file()), None)
    if found is None:
        raise ConfigurationError(
            f"{origin}: config_file_path: {path} is not in {', '.join(map(str, folders))}",
            remedy=f"Name the file itself, or set {_FOLDERS[0]} to the server's plugin folder",
        )
    return found


def _trigger(
    written: Mapping[str, Any],
    origin: str,
    *,
    decoded: bool = False,
    database: str | None = None,
    every: timedelta | None = None,
) -> Trigger:
    """Build a trigger from its options.

    Args:
        written: The options.
        origin: Where they are defined.
        decoded: Whether lists and the catalog are structured, as in TOML and JSON, rather than encoded strings.
        database: The trigger's database.
        every: Its interval.
    """
    missing = [name for name in ("measurement", "catalog_configs") if not written.get(name)]
    if missing:
        raise ConfigurationError(
            f"{origin}: {' and '.join(missing)} missing",
            remedy="The plugin refuses such a trigger too: give what it runs with",
        )
    try:
        return Trigger(
            origin=origin,
            measurement=_text(written, "measurement"),
            catalog=_catalog(written["catalog_configs"], decoded=decoded),
            window=_duration(written["window"]) if written.get("window") else None,
            every=every,
            included=_names(written.get("included_fields"), decoded=decoded),
            excluded=_names(written.get("excluded_fields"), decoded=decoded),
            namespace=_text(written, "namespace") or DEFAULT_NAMESPACE,
            table=_text(written, "table_name"),
            auto_update_schema=str(written.get("auto_update_schema", "")).lower() == "true",
            database=database,
            start=_moment(written.get("backfill_start")),
            ignored=tuple(name for name in written if name not in _OPTIONS),
        )
    except _Mistake as error:
        raise ConfigurationError(f"{origin}: {error}") from None


def _text(written: Mapping[str, Any], name: str) -> str:
    value = written.get(name, "")
    if not isinstance(value, str):
        raise _Mistake(f"{name} is no text")
    return value.strip()


def _names(value: object, *, decoded: bool) -> tuple[str, ...]:
    if not value:
        return ()
    if isinstance(value, str) and not decoded:
        return tuple(filter(None, value.split(".")))
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _Mistake("included_fields and excluded_fields are lists of names")
    return tuple(value)


def _duration(value: object) -> timedelta:
    found = _DURATION.fullmatch(str(value))
    if found is None:
        raise _Mistake("window is not a number and one of s, min, h, d, w")
    try:
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise _Mistake("window is longer than time itself") from None


def _every(spec: str) -> timedelta | None:
    found = _EVERY.fullmatch(spec.strip())
    if found is None:
        return None
    return timedelta(**{_UNITS["min" if found[2] == "m" else found[2]]: int(found[1])})


def _moment(value: object) -> datetime | None:
    if not value:
        return None
    try:
        return parse_moment(str(value))
    except ValueError:
        raise _Mistake("backfill_start is not a time such as 2024-01-01T00:00:00+00:00") from None


def _catalog(value: object, *, decoded: bool) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    if decoded or not isinstance(value, str):
        raise _Mistake("catalog_configs is no table of properties")
    if "$" in value:
        raise _Mistake("catalog_configs is a variable of a shell: give what it holds")
    try:
        content = _json(base64.b64decode("".join(value.split()), validate=True).decode(), "catalog_configs")
    except (binascii.Error, UnicodeDecodeError, ConfigurationError):
        raise _Mistake("catalog_configs is not the base64 of a JSON object") from None
    if not isinstance(content, dict):
        raise _Mistake("catalog_configs is not the base64 of a JSON object")
    return content


def _json(text: str, origin: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{origin}: not JSON") from None
