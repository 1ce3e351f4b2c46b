"""Every option of a lake.yaml, found in its models, and every kind of nonsense that may be written there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from influx_lake.config.catalogs.options import CatalogSection
from influx_lake.config.connections import SOURCE_TYPES
from influx_lake.config.lake.alerts import AlertOptions
from influx_lake.config.lake.operation import OperationOptions
from influx_lake.config.lake.serving import ServeOptions
from influx_lake.config.lake.spark import SparkOptions
from influx_lake.config.measurements.options import DefaultOptions, MeasurementOptions
from influx_lake.config.observation.cost import CostOptions
from influx_lake.config.observation.metrics import MetricsOptions
from influx_lake.config.observation.openlineage import OpenLineageOptions
from influx_lake_tests.unit.config.lake.nonsense_values import KINDS
from influx_lake_tests.unit.config.lake.nonsense_yaml import Inline

Path = tuple[str | int, ...]


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
    "kafka": {"brokers": ["a:9092"], "topics": ["t"], "database": "d"},
}
COMPANIONS: dict[str, dict[str, Any]] = {
    "password": {"username": "u"},
    "username": {"password": "${NOT_A_SECRET}"},
    "tls.cert_file": {"tls": {"key_file": "k"}},
    "tls.key_file": {"tls": {"cert_file": "c"}},
    "server": {},
    "tls.certificate": {"tls": {"key": "k"}},
    "tls.key": {"tls": {"certificate": "c"}},
    "erased": {"erased": [{"where": "usage > 1", "start": "2000-01-01"}]},
    "retention": {"retention": {"keep": "3y"}},
    "history.source": {"history": {"until": "2026-02-01"}},
    "history.until": {"history": {"source": "old"}},
    "freshness.warn": {"freshness": {"fail": "2h"}},
    "checks.freshness": {"freshness": {"fail": "2h"}},
    "checks.gaps.by": {"checks": {"gaps": {"longer_than": "1h"}}},
    "checks.values.0.column": {"checks": {"values": [{"not_null": True}]}},
    "checks.values.0.condition": {},
    "formats": {"types": {"a": "date"}},
    "checks.values.0.name": {"checks": {"values": [{"column": "usage", "not_null": True}]}},
    "checks.values.0.severity": {"checks": {"values": [{"column": "usage", "not_null": True}]}},
    "checks.values.0.no_such_option": {"checks": {"values": [{"column": "usage", "not_null": True}]}},
    "checks.values.0": {"checks": {"values": [{"column": "usage"}]}},
    "write.key": {"write": {"mode": "upsert"}},
    "write.merge_fields": {"write": {"mode": "upsert"}},
    "rollups.named": {"rollups": {"named": {"every": "1h"}}},
    "header": {"format": "csv", "path": "/a/{measurement}/{year}"},
    "delimiter": {"format": "csv"},
    "columns.named": {"columns": {"named": {"fields": {"usage": "float"}}}, "format": "json"},
    "columns": {"format": "json"},
    "timestamp": {"format": "json"},
    "timestamp_units": {"format": "json"},
    "measurement_column": {"format": "json"},
    "tags": {"format": "json"},
    "json_integers": {"format": "json"},
    "mechanism": {"username": "u", "password": "${NOT_A_SECRET}"},
    "run_on.emr_serverless": {
        "run_on": {
            "emr_serverless": {
                "application_id": "00f1a2b3",
                "execution_role_arn": "arn:aws:iam::123456789012:role/influx-lake",
                "entry_point": "s3://bucket/driver.py",
                "messages": "s3://bucket/messages",
            }
        }
    },
    "run_on.glue": {"run_on": {"glue": {"job_name": "load", "messages": "s3://bucket/messages"}}},
    "run_on.kubernetes": {"run_on": {"kubernetes": {"image": "influx-lake-spark"}}},
    "email": {
        "email": {"sender": "a@b.c", "to": ["a@b.c"], "smtp_host": "mail.example.com", "password": "${NOT_A_SECRET}"}
    },
}


# An item that is right, for each option that holds a list.
ITEMS: dict[str, Any] = {
    "key": "host",
    "by": "host",
    "bloom_filter": "host",
    "sort_by": "time",
    "columns": "usage",
    "include": "usage",
    "exclude": "usage",
    "iceberg_partition": "day(time)",
    "values": {"column": "usage", "not_null": True},
    "accepted_values": "a",
    "functions": "mean",
    "fields": "mean",
    "owners": "team:platform",
    "tags": "host",
    "header": "timestamp",
    "path": "/a/b",
    "brokers": "b:9092",
    "topics": "t",
    "database": "d*",
    "bucket": "d*",
    "to": "a@b.c",
    "on": "run_failure",
    "tokens": "${NOT_A_SECRET}",
    "erased": {"where": "usage > 1"},
    "packages": "org.example:driver:1.0",
    "archives": "s3://bucket/environment.tar.gz",
    "py_files": "s3://bucket/package.whl",
}
RANGES: dict[tuple[Path, Path], tuple[Any, Any]] = {
    (("retry", "first_wait"), ("retry", "longest_wait")): ("1s", "1m"),
    (("shortest_query",), ("longest_query",)): ("1m", "1h"),
    (("freshness", "warn"), ("freshness", "fail")): ("1h", "2h"),
    (("reconcile", "every"), ("reconcile", "within")): ("15m", "7d"),
    (("tail", "lag"), ("lag",)): ("1m", "10m"),
    (("erased", 0, "start"), ("erased", 0, "end")): ("2026-01-01", "2026-02-01"),
    (("partition", "start"), ("history", "until")): ("2026-01-01", "2026-02-01"),
}
"""Options that are the lower and the upper end of something, each with a value."""
ENDS = (("min", "max"), ("first", "longest"), ("shortest", "longest"), ("least", "most"), ("low", "high"))
ENDS += (("start", "end"), ("start", "until"), ("from", "until"), ("warn", "fail"), ("every", "within"))
"""Words with which the names of such options begin or end."""


def lists(model: type[BaseModel]) -> set[Path]:
    """The options of a model that hold a list of things: a range of two numbers is none."""
    found = {option for option in options(model, set()) if _is_list(_annotation(model, option))}
    return {option for option in found if option[-1] != "between"}


def _annotation(model: type[BaseModel], option: Path) -> Any:
    annotation: Any = model
    for part in option:
        nested = next(_models(annotation), None)
        if nested is not None and part in nested.model_fields:
            annotation = nested.model_fields[str(part)].annotation
    return annotation


def _is_list(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Annotated, Union, UnionType, dict):
        return any(map(_is_list, get_args(annotation)))
    return origin in (tuple, list)


def repeats(place: Path, model: type[BaseModel], base: dict[str, Any]) -> Iterator[tuple[Mutation, dict[str, Any]]]:
    """Lists that name something once, and twice."""
    many = {(name,) for name in ("database", "bucket") if "host" in base and name in base}
    for option in sorted(lists(model) | many, key=str):
        item = ITEMS[str(option[-1])]
        for kind, items in {"once": [item], "twice": [item, item]}.items():
            value = {"usage": items} if option[-1] == "fields" else items
            yield (
                Mutation((*place, *option), kind, value),
                placed(_beside(".".join(map(str, option)), base), option, value),
            )


def ranges(model: type[BaseModel]) -> set[tuple[Path, Path]]:
    """The options of a model that are the two ends of something, by their names."""
    by_model = defaultdict(list)
    for option in options(model, set()):
        by_model[option[:-1]].append(str(option[-1]))
    return {
        ((*inside, one), (*inside, other))
        for inside, names in by_model.items()
        for one in names
        for other in names
        for lower, upper in ENDS
        if _is_named(one, lower) and _is_named(other, upper) and one.replace(lower, upper) in (other, upper)
    }


def _is_named(option: str, word: str) -> bool:
    return word in (option, option.partition("_")[0], option.rpartition("_")[2])


def reversed_ranges(
    place: Path, model: type[BaseModel], base: dict[str, Any]
) -> Iterator[tuple[Mutation, dict[str, Any]]]:
    """The ends of what has two, as they should be, and the other way round."""
    known = set(options(model, set()))
    for ends, values in RANGES.items():
        if known.issuperset(ends):
            for kind, pair in {"in order": values, "reversed": values[::-1]}.items():
                entry = {**base, **({"history": {"source": "old"}} if "history" in ends[1] else {})}
                for option, value in zip(ends, pair, strict=True):
                    entry = placed(entry, option, value)
                yield Mutation((*place, *ends[0]), kind, ends[1]), entry
    if ("checks", "values", 0, "between") in known:
        for kind, numbers in {"in order": [1, 2], "reversed": [2, 1]}.items():
            option: Path = ("checks", "values", 0, "between")
            beside: dict[str, Any] = {"checks": {"values": [{"column": "usage"}]}}
            yield Mutation((*place, *option), kind, numbers), placed(beside, option, numbers)


def defaults_mutations() -> Iterator[tuple[list[Mutation], dict[str, Any]]]:
    """Nonsense in the options of `defaults`, one kind of it in many options at a time: those that are equally deep."""
    by_depth = defaultdict(list)
    for option in options(DefaultOptions, set()):
        by_depth[len(option)].append(option)
    for kind, value in KINDS.items():
        for group in by_depth.values():
            entry: Any = {}
            for option in group:
                entry = placed(entry, option, value)
            yield [Mutation(("defaults", *option), kind, value) for option in group], {"defaults": entry}


def source_mutations(kind: str, known: set[Any]) -> Iterator[tuple[Mutation, dict[str, Any]]]:
    """Nonsense in each option of a type of source, with the source that it makes."""
    base = {"type": kind, **SOURCES[kind]}
    model = SOURCE_TYPES[kind]
    yield from _mutations(("sources", kind), model, base, known)
    yield from repeats(("sources", kind), model, base)
    yield from reversed_ranges(("sources", kind), model, base)


def measurement_mutations() -> Iterator[tuple[Mutation, dict[str, Any]]]:
    """Nonsense in each option of a measurement, with the measurement that it makes."""
    place = ("measurements", "cpu")
    yield from _mutations(place, MeasurementOptions, {}, set())
    yield from repeats(place, MeasurementOptions, {})
    yield from reversed_ranges(place, MeasurementOptions, {})


SECTIONS: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "alerts": (AlertOptions, {"webhook": "https://hooks.example.com/${NOT_A_SECRET}"}),
    "serve": (ServeOptions, {"tokens": ["${NOT_A_SECRET}"]}),
    "metrics": (MetricsOptions, {"text_file": "lake.prom"}),
    "cost": (CostOptions, {"prices": "prices.yaml"}),
    "spark": (SparkOptions, {}),
    "openlineage": (OpenLineageOptions, {"transport": {"type": "file", "log_file_path": "events.jsonl"}}),
    "catalog": (CatalogSection, {}),
}
"""The other sections, each with what it needs."""


def section_mutations() -> Iterator[tuple[Mutation, dict[str, Any]]]:
    """Nonsense in each option of the other sections, with the sections that it makes."""
    yield from _mutations((), OperationOptions, {}, set())
    for section, (model, beside) in SECTIONS.items():
        for mutation, entry in _mutations((section,), model, beside, set()):
            yield mutation, {section: entry}
    for section in ("alerts", "serve", "spark"):
        model, beside = SECTIONS[section]
        for mutation, entry in repeats((section,), model, beside):
            yield mutation, {section: entry}


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
        # `columns` and `tags` of a measurement are others than those of its source's files.
        if name in ("columns.named", "columns", "tags") and not base:
            continue
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
