"""Every option of a lake.yaml, found in its models, and every kind of nonsense that may be written there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from influx_lake.config.alerts import AlertOptions
from influx_lake.config.catalog import CatalogSection
from influx_lake.config.connections import SOURCE_TYPES
from influx_lake.config.operation import OperationOptions
from influx_lake.config.options import MeasurementOptions

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Raw:
    """A value as it is written in YAML, without quotes."""

    text: str


@dataclass(frozen=True)
class Inline:
    """A value that is written in one line."""

    value: Any


@dataclass(frozen=True)
class Mutation:
    """Nonsense in the place of one option.

    Attributes:
        entry: Where the option is: `("sources", "influxdb1", "host")`.
        kind: What kind of nonsense.
        value: The nonsense.
    """

    entry: Path
    kind: str
    value: Any

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.entry))}: {self.kind}"


LONG = "x" * 10_000
KINDS: dict[str, Any] = {
    "null": None,
    "empty": "",
    "blank": "   ",
    "empty list": [],
    "empty mapping": {},
    "list": ["a"],
    "list of lists": [["a"]],
    "list of mappings": [{"a": "b"}],
    "list of nulls": [None],
    "list of empties": [""],
    "mapping": {"a": "b"},
    "mapping of mappings": {"a": {"b": "c"}},
    "mapping with an empty name": {"": "b"},
    "mapping to null": {"a": None},
    "negative": Raw("-1"),
    "zero": Raw("0"),
    "negative zero": Raw("-0"),
    "plus": Raw("+"),
    "fraction": Raw("1.5"),
    "negative fraction": Raw("-0.5"),
    "exponent": Raw("1e3"),
    "huge exponent": Raw("1e400"),
    "infinity": Raw(".inf"),
    "inf": Raw("inf"),
    "nan": Raw("nan"),
    "not a number": Raw(".nan"),
    "underscore": Raw("1_0"),
    "hexadecimal": Raw("0x1F"),
    "octal": Raw("0o17"),
    "leading zero": Raw("012"),
    "binary": Raw("0b11"),
    "sexagesimal": Raw("1:30"),
    "huge": Raw("99999999999999999999"),
    "400 digits": Raw("9" * 400),
    "other digits": "١٢",
    "thousands": Raw("1,000"),
    "boolean": Raw("true"),
    "yes": Raw("yes"),
    "y": Raw("y"),
    "maybe": Raw("maybe"),
    "word": "banana",
    "upper case word": "BANANA",
    "line break": "a\nb",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "NUL": "a\0b",
    "control character": "a\x07b",
    "escape": "a\x1b[31mb",
    "direction": "a\u202eb",
    "line separator": "a\u2028b",
    "byte order mark": "\ufeffa",
    "very long": LONG,
    "long name": "x" * 300,
    "reference without end": "${A",
    "reference to nothing": "${}",
    "reference that is not set": "${NOT_SET_ANYWHERE}",
    "other reference": "${vault:a}",
    "date that is none": Raw("2026-02-30"),
    "month that is none": Raw("2026-13-01"),
    "date without padding": Raw("2026-1-1"),
    "week date": Raw("2026-W01-1"),
    "far year": Raw("9999-12-31"),
    "early year": Raw("0001-01-01"),
    "duration": Raw("10x"),
    "duration twice": Raw("1h1h"),
    "negative duration": Raw("-1h"),
    "duration without end": Raw("9" * 12 + "w"),
    "percent": Raw("150%"),
    "negative size": Raw("-1GB"),
    "size without end": Raw("9" * 18 + "TB"),
    "home of nobody": "~nobody-of-this-name/x",
    "unknown scheme": "ftpx://host/path",
    "scheme alone": "s3://",
    "half a template": "a{b",
    "unknown template": "a{b}",
    "quote": "it's \"quoted\"",
    "tag": "!!python/object:os.system",
    "SQL": "1; DROP TABLE x",
    "path up": "../../../etc/passwd",
}  # fmt: skip


def options(model: type[BaseModel], known: set[Any], inside: Path = ()) -> Iterator[Path]:
    """Every option of a model and of the models in it.

    Args:
        model: The model.
        known: The options that were given already, which are left out: a class that stands in several places.
        inside: Where it is.
    """
    for name, field in model.model_fields.items():
        owner = next(each for each in reversed(model.__mro__) if name in getattr(each, "model_fields", {}))
        if (owner, name, str(field.annotation)) in known:
            continue
        known.add((owner, name, str(field.annotation)))
        yield (*inside, name)
        for nested in _models(field.annotation):
            yield from options(nested, known, (*inside, name, *_between(field.annotation)))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for inner in getattr(annotation, "__args__", ()):
            yield from _models(inner)


def _between(annotation: Any) -> Path:
    """What stands between an option and the options in it: a name of the user's, or a place in a list."""
    origin = str(getattr(annotation, "__origin__", annotation))
    if "dict" in origin or "Mapping" in origin:
        return ("named",)
    if "tuple" in origin:
        return (0,)
    return next((found for inner in getattr(annotation, "__args__", ()) if (found := _between(inner))), ())


# What an option needs beside it, for its nonsense to be the only mistake.
SOURCES: dict[str, dict[str, Any]] = {
    "influxdb3": {"host": "https://a", "database": "d"},
    "influxdb2": {"host": "https://a", "org": "o", "bucket": "b"},
    "influxdb1": {"host": "https://a", "database": "d"},
    "auto": {"host": "https://a", "database": "d"},
    "influxdb3_parquet": {"location": "/a", "database": "d"},
    "landing_zone": {"path": "/a/{year}", "database": "d"},
    "line_protocol": {"path": ["/a"], "database": "d"},
}
COMPANIONS: dict[str, dict[str, Any]] = {
    "password": {"username": "u"},
    "username": {"password": "${NOT_A_SECRET}"},
    "tls.cert_file": {"tls": {"key_file": "k"}},
    "tls.key_file": {"tls": {"cert_file": "c"}},
    "server": {},
    "history.source": {"history": {"until": "2026-02-01"}},
    "history.until": {"history": {"source": "old"}},
    "freshness.warn": {"freshness": {"fail": "2h"}},
    "checks.freshness": {"freshness": {"fail": "2h"}},
    "checks.gaps.by": {"checks": {"gaps": {"longer_than": "1h"}}},
    "checks.values.0.column": {"checks": {"values": [{"not_null": True}]}},
    "checks.values.0.condition": {},
    "checks.values.0.name": {"checks": {"values": [{"column": "usage", "not_null": True}]}},
    "checks.values.0.severity": {"checks": {"values": [{"column": "usage", "not_null": True}]}},
    "checks.values.0.no_such_option": {"checks": {"values": [{"column": "usage", "not_null": True}]}},
    "checks.values.0": {"checks": {"values": [{"column": "usage"}]}},
    "write.key": {"write": {"mode": "upsert"}},
    "write.merge_fields": {"write": {"mode": "upsert"}},
    "rollups.named": {"rollups": {"named": {"every": "1h"}}},
    "columns.named": {"columns": {"named": {"fields": {"a": "float"}}}},
    "email": {
        "email": {"sender": "a@b.c", "to": ["a@b.c"], "smtp_host": "mail.example.com", "password": "${NOT_A_SECRET}"}
    },
}


def source_mutations(kind: str, known: set[Any]) -> Iterator[tuple[Mutation, dict[str, Any]]]:
    """Nonsense in each option of a type of source, with the source that it makes."""
    base = {"type": kind, **SOURCES[kind]}
    yield from _mutations(("sources", kind), SOURCE_TYPES[kind], base, known)


def measurement_mutations() -> Iterator[tuple[Mutation, dict[str, Any]]]:
    """Nonsense in each option of a measurement, with the measurement that it makes."""
    yield from _mutations(("measurements", "cpu"), MeasurementOptions, {}, set())


def section_mutations() -> Iterator[tuple[Mutation, dict[str, Any]]]:
    """Nonsense in each option of the other sections, with the sections that it makes."""
    yield from _mutations((), OperationOptions, {}, set())
    alerts = {"webhook": "https://hooks.example.com/${NOT_A_SECRET}"}
    for mutation, entry in _mutations(("alerts",), AlertOptions, alerts, set()):
        yield mutation, {"alerts": entry}
    for mutation, entry in _mutations(("catalog",), CatalogSection, {}, set()):
        yield mutation, {"catalog": entry}
    for kind, value in KINDS.items():
        yield Mutation(("include",), kind, value), {"include": Inline(value)}


def _mutations(
    place: Path, model: type[BaseModel], base: dict[str, Any], known: set[Any]
) -> Iterator[tuple[Mutation, dict[str, Any]]]:
    for option in options(model, known):
        beside = _beside(".".join(map(str, option)), base)
        for kind, value in KINDS.items():
            yield Mutation((*place, *option), kind, value), placed(beside, option, value)
        if place != ("catalog",):
            unknown = (*option[:-1], "no_such_option")
            yield Mutation((*place, *unknown), "unknown option", "x"), placed(beside, unknown, "x")


def _beside(option: str, base: dict[str, Any]) -> dict[str, Any]:
    found = base
    for name, companions in COMPANIONS.items():
        if option == name or option.startswith(f"{name}."):
            found = _joined(found, companions)
            break
    return found


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {**one, **other}
    for name in one.keys() & other.keys():
        if isinstance(one[name], dict) and isinstance(other[name], dict):
            both[name] = _joined(one[name], other[name])
    return both


def placed(entry: Any, option: Path, value: Any) -> Any:
    """An entry with a value in the place of an option."""
    if not option:
        return Inline(value)
    first, *rest = option
    if isinstance(first, int):
        items = list(entry) if isinstance(entry, list) and entry else [{}]
        return [placed(items[0], tuple(rest), value)]
    inner = entry if isinstance(entry, dict) else {}
    return {**inner, first: placed(inner.get(first), tuple(rest), value)}


def yaml_lines(name: str, value: Any, depth: int = 0) -> list[str]:
    """An entry in YAML, with a line for every option."""
    pad = "  " * depth
    if isinstance(value, dict) and value and all(isinstance(key, str) for key in value):
        return [f"{pad}{key(name)}:", *(line for each in value for line in yaml_lines(each, value[each], depth + 1))]
    if isinstance(value, list) and value and isinstance(value[0], dict) and value[0]:
        inner = [line for each in value[0] for line in yaml_lines(each, value[0][each], depth + 2)]
        return [f"{pad}{key(name)}:", f"{pad}  -{inner[0][len(pad) + 3 :]}", *inner[1:]]
    return [f"{pad}{key(name)}: {flow(value)}"]


def key(name: str) -> str:
    """A key of a mapping."""
    return name if re.fullmatch(r"[A-Za-z_][\w-]*", name) else json.dumps(name)


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, Inline):
        return flow(value.value)
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key(name)}: {flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return json.dumps(value)


def plain(value: Any) -> Any:
    """What an editor takes a value for, by the rules of YAML 1.2."""
    if isinstance(value, Inline):
        return plain(value.value)
    if isinstance(value, Raw):
        return _plain_text(value.text)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _plain_text(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"0x[0-9a-fA-F]+|0o[0-7]+", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    if text in (".inf", ".nan"):
        return float(text[1:])
    return text
