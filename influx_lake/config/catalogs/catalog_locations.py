"""Validates the location of a catalog and its warehouse, by type of catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from influx_lake.config.references.secret import Secret
from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.values.locations import STORES, WEB, check_scheme, has_one_slash, scheme_of

_WAREHOUSES = (*STORES, "hf")
_INFERRED = ("http", "https", "thrift", "sqlite", "postgresql", "postgres")
_URIS = {"rest": WEB, "hive": ("thrift",)}
_NEED_A_URI = ("rest", "hive", "sql")
_EXAMPLE = "such as sqlite:///./.lake/catalog.db"


def place_mistakes(entries: Mapping[str, str | Secret]) -> Iterator[tuple[str, str]]:
    """The invalid locations: options, each with what would be right.

    Args:
        entries: pyiceberg's properties; values kept in a store are not read.
    """
    kind, uri, warehouse = (_text(entries.get(name)) for name in ("type", "uri", "warehouse"))
    if uri is not None and (mistake := _uri_mistake(uri, kind)):
        yield "uri", mistake
    elif isinstance(entries.get("uri"), str) and kind != "in-memory" and _is_in_memory(uri or ""):
        yield "uri", "keeps the catalog in memory, and its tables are lost with the process: name a file, " + _EXAMPLE
    elif kind in _NEED_A_URI and "uri" not in entries:
        yield "type", f"a catalog of type {kind} needs a `uri`: where it is"
    if warehouse is not None and "py-io-impl" not in entries:
        try:
            check_scheme(warehouse, _WAREHOUSES)
        except ValueError as error:
            # The name of a warehouse may be anything but a URL.
            if "://" in warehouse or has_one_slash(warehouse, _WAREHOUSES):
                yield "warehouse", str(error)


def _uri_mistake(uri: str, kind: str | None) -> str | None:
    for each in uri.split(",") if kind == "hive" else [uri]:
        scheme = (scheme_of(each.strip()) or "").partition("+")[0]
        if kind not in (*_URIS, "sql", None):
            return None
        known = _URIS.get(kind or "") or (_dialects() if kind == "sql" else _INFERRED)
        if not scheme:
            return f"is no address: write one that starts with {_listed(known)}"
        if has_one_slash(each, known):
            return f"has one slash behind {scheme}: and needs two, {scheme}://"
        if scheme not in known:
            what = f"a catalog of type {kind}" if kind else "a catalog whose type is left out"
            return f"starts with {scheme}://, and that of {what} with {_listed(known)}{suggestion(scheme, known)}"
        if scheme not in ("sqlite",) and not each.partition("://")[2].strip("/"):
            return f"names no server behind {scheme}://"
    return None


def _is_in_memory(uri: str) -> bool:
    """Whether a URI is an in-memory SQLite database for SQLAlchemy."""
    if (scheme_of(uri) or "").partition("+")[0] != "sqlite":
        return False
    path, _, options = uri.partition("://")[2].partition("?")
    database = path.removeprefix("/")
    return (
        database in ("", ":memory:")
        or (database.startswith("file:") and ":memory:" in database + options)
        or ("mode=memory" in options)
    )


def _listed(schemes: tuple[str, ...]) -> str:
    return " or ".join(f"{scheme}://" for scheme in schemes)


@cache
def _dialects() -> tuple[str, ...]:
    """The SQLAlchemy dialects that are installed."""
    from importlib.metadata import entry_points

    others = {entry.name.partition(".")[0] for entry in entry_points(group="sqlalchemy.dialects")}
    known = ("sqlite", "postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle")
    return (*known, *sorted(others - set(known)))


def _text(value: str | Secret | None) -> str | None:
    """The part of a value that is known without reading a secret."""
    if isinstance(value, Secret):
        return value.beginning or None
    return value
