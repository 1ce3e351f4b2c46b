"""Flattens catalog properties that pyiceberg takes as nested mappings (`auth`, `ssl`) to dotted names, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NESTED = {
    "auth": "How a REST catalog is told who asks: `type`, and its options below that type's name. Default: `token` or "
    "`credential`.",
    "ssl": "The TLS of a REST catalog: `cabundle`, and `client` with `cert` and `key`. Default: what Python trusts.",
}
_WHOLE_NUMBERS = ("expires_in", "refresh_margin")
_LISTS = ("scopes",)

Location = tuple[str, ...]


def flat(entries: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Location]]:
    """Flatten nested properties, with the places where they are written.

    `auth: {oauth2: {client_id: lake}}` becomes `auth.oauth2.client_id: lake`; lists become space-separated words.
    """
    found: dict[str, Any] = {}
    places: dict[str, Location] = {}
    for name, value in entries.items():
        if name not in NESTED or not isinstance(value, Mapping):
            found[name] = value
            continue
        for place, inner in leaves(value, (name,)):
            found[".".join(place)] = inner
            places[".".join(place)] = place
    return found, places


def leaves(value: Any, place: Location = ()) -> Iterator[tuple[Location, Any]]:
    """Yield the values inside mappings, whatever these are called, each with its place; lists become words."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, (*place, str(name)))
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        yield place, " ".join(value)
    else:
        yield place, value


def nested(properties: Mapping[str, str]) -> dict[str, Any]:
    """Restore nested properties as pyiceberg takes them: the inverse of `flat`."""
    result: dict[str, Any] = {}
    for name, value in properties.items():
        first, *rest = name.split(".")
        if first not in NESTED or not rest:
            result[name] = value
            continue
        into = result.setdefault(first, {})
        for part in rest[:-1]:
            into = into.setdefault(part, {})
        into[rest[-1]] = _typed(rest[-1], value)
    return result


def _typed(name: str, value: str) -> Any:
    if name in _WHOLE_NUMBERS:
        return int(value)
    return value.split() if name in _LISTS else value
