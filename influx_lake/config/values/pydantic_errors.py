"""Converts pydantic's validation errors to mistakes in terms of lake.yaml."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from influx_lake.config.report.diagnostics import Location, Report, suggestion
from influx_lake.config.report.excerpts import unreadable
from influx_lake.config.values.conflicting_options import Contradiction
from influx_lake.config.values.units import format_duration

_TIMEDELTA = re.compile(r"datetime\.timedelta\((.*)\)")
_TIMEDELTA_PART = re.compile(r"(\w+)=(\d+)")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")
_SHOWN = 60
_M = TypeVar("_M", bound=BaseModel)


def validated(
    model: type[_M], data: dict[str, Any], location: Location, report: Report, *, hide: frozenset[str] = frozenset()
) -> tuple[_M | None, dict[str, Any]]:
    """Validate an entry, report its mistakes, and continue with its valid parts, so that later checks see them.

    Args:
        model: The model.
        data: The entry.
        location: Its path.
        report: Collects the mistakes.
        hide: Options whose values must not be repeated.

    Returns:
        The entry without its mistakes (None where something required is missing), as model and as data.
    """
    context = {"root": report.path.parent}
    data = _readable(data, location, report)
    try:
        return model.model_validate(data, context=context), data
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
    for mistake in mistakes:
        inside = _inside(mistake)
        where = (*location, *inside)
        if not report.is_lost(where) and not _is_consequence(mistake, where, report):
            shown = _shown(mistake["input"], report.written.get(where), bool(hide & set(inside)))
            report.mistake(where, _explain(mistake, model, inside, shown))
            report.lost(where)
    return _without(mistakes, model, data, context)


def _is_consequence(mistake: ErrorDetails, where: Location, report: Report) -> bool:
    """Whether a contradiction is a consequence of an option left out because of a mistake."""
    error = mistake.get("ctx", {}).get("error")
    return isinstance(error, Contradiction) and report.has_lost_below(where[:-1])


def _readable(data: dict[str, Any], location: Location, report: Report) -> dict[str, Any]:
    """The entry without invalid strings."""
    found = [(inside, reason) for inside, reason in unreadable(data) if not report.is_lost((*location, *inside))]
    kept = copy.deepcopy(data) if found else data
    for inside, reason in sorted(found, key=lambda each: _in_order(each[0]), reverse=True):
        report.mistake((*location, *inside), reason)
        report.lost((*location, *inside))
        _remove(kept, inside)
    return kept


def _in_order(inside: Location) -> list[tuple[int, str]]:
    """A sort key that removes later items of a list first, since indices shift."""
    return [(part, "") if isinstance(part, int) else (0, str(part)) for part in inside]


def _without(
    mistakes: list[ErrorDetails], model: type[_M], data: dict[str, Any], context: dict[str, Any]
) -> tuple[_M | None, dict[str, Any]]:
    """The entry without its invalid parts, and without what is invalid after their removal."""
    kept, gone = copy.deepcopy(data), {_inside(mistake) for mistake in mistakes}
    seen: set[frozenset[Location]] = set()
    while () not in gone and frozenset(gone) not in seen:
        seen.add(frozenset(gone))
        for inside in sorted(gone, key=_in_order, reverse=True):
            _remove(kept, inside)
        try:
            return model.model_validate(kept, context=context), kept
        except ValidationError as error:
            left = error.errors(include_url=False)
        gone = {_inside(mistake)[:-1] if mistake["type"] == "missing" else _inside(mistake) for mistake in left}
    return None, kept


def _inside(mistake: ErrorDetails) -> Location:
    """The path of an error in the entry, without pydantic's markers."""
    place = mistake["loc"]
    return place[:-1] if place[-1:] == ("[key]",) and mistake["type"] != "extra_forbidden" else place


def options_of(model: type[BaseModel], inside: Location = ()) -> list[str]:
    """The options of a model, or of a model within it."""
    found = _model_at(model, inside)
    return list(found.model_fields) if found else []


def _model_at(model: type[BaseModel], inside: Location) -> type[BaseModel] | None:
    parts = iter(inside)
    for part in parts:
        field = model.model_fields.get(str(part))
        nested = next(_models(field.annotation), None) if field else None
        if field is None or nested is None:
            return None
        if _is_collection(field.annotation):
            # The next part is a name of the user's, or a place in a list.
            next(parts, None)
        model = nested
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _is_collection(annotation: Any) -> bool:
    return get_origin(annotation) in (dict, tuple, list) or any(map(_is_collection, get_args(annotation)))


def _explain(mistake: ErrorDetails, model: type[BaseModel], inside: Location, shown: str) -> str:
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(options_of(model, inside[:-1]), str(inside[-1]))
    if kind == "missing":
        return _missing(model, inside)
    error = context.get("error")
    if mistake["input"] is None and not isinstance(error, Contradiction):
        return "has no value: give one, or leave the option out"
    if kind == "value_error":
        about = "" if mistake["input"] is None or not str(error).startswith("is ") else f"{shown} "
        return f"{about}{error}"
    if kind in ("enum", "literal_error"):
        known = [text.replace("\\'", "'") for text in _QUOTED.findall(str(context.get("expected", "")))]
        return f"{shown} is not one of {', '.join(known)}{suggestion(str(mistake['input']), known)}"
    ends = {name: _end(end) for name, end in context.items()}
    return _REASONS.get(kind, "{shown} is not what this option takes").format(shown=shown, **ends)


def _unknown(known: list[str], option: str) -> str:
    guess = suggestion(option, known) or f"; known: {', '.join(known)}"
    return f"unknown option{guess}" if known else "is no option here: nothing can be given below it"


def _missing(model: type[BaseModel], inside: Location) -> str:
    around = _model_at(model, inside[:-1])
    field = around.model_fields.get(str(inside[-1])) if around else None
    return f"is missing: {field.description}" if field and field.description else "is missing"


def _end(end: object) -> object:
    """A bound of a range as lake.yaml writes it; pydantic formats durations as Python does."""
    parts = _TIMEDELTA.fullmatch(str(end))
    if parts:
        end = timedelta(**{name: int(count) for name, count in _TIMEDELTA_PART.findall(parts[1])})
    return format_duration(end) if isinstance(end, timedelta) else end


_REASONS = {
    "model_type": "must hold options, such as `key: value`, not {shown}",
    "dict_type": "must hold entries, such as `key: value`, not {shown}",
    "list_type": "must be a list, such as [a, b], not {shown}",
    "tuple_type": "must be a list, such as [a, b], not {shown}",
    "string_type": "must be a text, not {shown}",
    "string_too_short": "is empty: give it a value, or leave the option out",
    "string_pattern_mismatch": "{shown} does not have the form of {pattern}",
    "mapping_type": "must hold entries, such as `key: value`, not {shown}",
    "path_type": "must be a text, not {shown}",
    "too_short": "is empty: name at least {min_length}, or leave the option out",
    "too_long": "has too many entries: at most {max_length}",
    "greater_than": "{shown} is not greater than {gt}",
    "greater_than_equal": "{shown} is less than {ge}",
    "less_than_equal": "{shown} is more than {le}",
}


def _shown(value: object, written: str | None, hidden: bool) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if written is not None:
        return f"the value of {written!r}" if not hidden else "the value"
    if hidden:
        return "the value"
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _remove(data: Any, inside: Location) -> None:
    """Remove an entry from nested data, if it is still there."""
    for part in inside[:-1]:
        if isinstance(data, dict):
            data = data.get(str(part))
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part]
        else:
            return
    if isinstance(data, dict) and inside:
        data.pop(str(inside[-1]), None)
    elif isinstance(data, list) and inside and isinstance(inside[-1], int):
        del data[inside[-1]]
    elif isinstance(data, list) and inside:
        # A list of names that is read as a mapping of them.
        data[:] = [each for each in data if str(each) != inside[-1]]
