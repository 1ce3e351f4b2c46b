"""Pydantic's findings in the words of the user's file."""

from __future__ import annotations

import copy
import re
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from influx_lake.config.problems import Location, Report, suggestion

_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")
_SHOWN = 60
_M = TypeVar("_M", bound=BaseModel)


def validated(
    model: type[_M], data: dict[str, Any], location: Location, report: Report, *, hide: frozenset[str] = frozenset()
) -> tuple[_M | None, dict[str, Any]]:
    """Check an entry, report its mistakes, and go on with what is right in it, so that later checks see it.

    Args:
        model: What the entry should be.
        data: What is written.
        location: Where it is written.
        report: Takes the mistakes.
        hide: Options whose values must not be repeated.

    Returns:
        The entry without its mistakes (None where something required is missing), as model and as data.
    """
    context = {"root": report.path.parent}
    try:
        return model.model_validate(data, context=context), data
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
    for mistake in mistakes:
        inside = _inside(mistake)
        where = (*location, *inside)
        if not report.is_lost(where):
            shown = _shown(mistake["input"], report.written.get(where), bool(hide & set(inside)))
            report.mistake(where, _explain(mistake, model, inside, shown))
            report.lost(where)
    return _without(mistakes, model, data, context)


def _without(
    mistakes: list[ErrorDetails], model: type[_M], data: dict[str, Any], context: dict[str, Any]
) -> tuple[_M | None, dict[str, Any]]:
    """The entry without its mistakes, and without what cannot be right once they are gone."""
    kept, gone = copy.deepcopy(data), {_inside(mistake) for mistake in mistakes}
    seen: set[frozenset[Location]] = set()
    while () not in gone and frozenset(gone) not in seen:
        seen.add(frozenset(gone))
        # Last items of a list first: taking one out moves those behind it.
        for inside in sorted(gone, key=lambda path: -path[-1] if isinstance(path[-1], int) else 0):
            _remove(kept, inside)
        try:
            return model.model_validate(kept, context=context), kept
        except ValidationError as error:
            left = error.errors(include_url=False)
        gone = {_inside(mistake)[:-1] if mistake["type"] == "missing" else _inside(mistake) for mistake in left}
    return None, kept


def _inside(mistake: ErrorDetails) -> Location:
    """Where in an entry a mistake is; pydantic marks one in a name with what may itself be a name."""
    place = mistake["loc"]
    return place[:-1] if place[-1:] == ("[key]",) and mistake["type"] != "extra_forbidden" else place


def options_of(model: type[BaseModel], inside: Location = ()) -> list[str]:
    """The options that a model, or a model inside it, knows."""
    parts = iter(inside)
    for part in parts:
        field = model.model_fields.get(str(part))
        models = (
            [
                kind
                for kind in (field.annotation, *get_args(field.annotation))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ]
            if field
            else []
        )
        if not models:
            return []
        model = models[0]
        if field and get_origin(field.annotation) is dict:
            # The next part is a name of the user's.
            next(parts, None)
    return list(model.model_fields)


def _explain(mistake: ErrorDetails, model: type[BaseModel], inside: Location, shown: str) -> str:
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind == "extra_forbidden":
        known = options_of(model, inside[:-1])
        guess = suggestion(str(inside[-1]), known)
        return f"unknown option{guess or '; known: ' + ', '.join(known)}"
    if kind == "missing":
        field = model.model_fields.get(str(inside[-1]))
        meaning = f": {field.description}" if field and field.description else ""
        return f"is missing{meaning}"
    if kind in ("enum", "literal_error"):
        known = [text.replace("\\'", "'") for text in _QUOTED.findall(str(context.get("expected", "")))]
        return f"{shown} is not one of {', '.join(known)}{suggestion(str(mistake['input']), known)}"
    if kind == "value_error":
        reason = str(context["error"])
        return f"{shown} {reason}" if reason.startswith("is ") else reason
    if mistake["input"] is None:
        return "has no value: give one, or leave the option out"
    return _REASONS.get(kind, "{shown}: {message}").format(shown=shown, message=mistake["msg"], **context)


_REASONS = {
    "model_type": "must hold options, such as `key: value`, not {shown}",
    "dict_type": "must hold entries, such as `key: value`, not {shown}",
    "list_type": "must be a list, such as [a, b], not {shown}",
    "tuple_type": "must be a list, such as [a, b], not {shown}",
    "string_type": "must be a text, not {shown}",
    "string_too_short": "is empty: give it a value, or leave the option out",
    "int_parsing": "{shown} is not a whole number",
    "int_type": "{shown} is not a whole number",
    "bool_parsing": "{shown} is not one of true, false",
    "bool_type": "{shown} is not one of true, false",
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
    """Take one entry out of nested data; what is already gone stays gone."""
    for part in inside[:-1]:
        if isinstance(data, dict):
            data = data.get(str(part))
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part]
        else:
            return
    if isinstance(data, dict) and inside:
        data.pop(str(inside[-1]), None)
    elif isinstance(data, list) and inside:
        del data[int(inside[-1])]
