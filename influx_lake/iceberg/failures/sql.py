"""Errors of catalogs in databases: SQLite, PostgreSQL and others by SQLAlchemy."""

from __future__ import annotations

from influx_lake.errors import (
    CatalogRefused,
    CatalogUnavailable,
    CommitConflict,
    ConfigurationError,
    LakeError,
    StorageError,
)
from influx_lake.iceberg.failures.catalog_messages import NO_ENTRY, NO_RIGHT, UNREACHABLE, Meaning, first
from influx_lake.iceberg.failures.exceptions import class_names

_LOCKED = Meaning(
    CatalogUnavailable,
    "another process holds the lock of the catalog's database",
    "Let that process end (`fuser` and `lsof` name those that have the file of `uri` open), then run it again. Where "
    "many write at once, PostgreSQL is the better catalog",
)
_SQLITE = (
    ("database is locked", _LOCKED),
    ("database table is locked", _LOCKED),
    (
        "database or disk is full",
        Meaning(
            StorageError,
            "the disk with the catalog's database is full",
            "Free space where the file of `uri` under `catalog:` in lake.yaml is, then run it again",
        ),
    ),
    (
        "readonly database",
        Meaning(
            CatalogRefused,
            "the catalog's database cannot be written to",
            "Give this process write access to the file of `uri` under `catalog:` in lake.yaml, and to its folder",
        ),
    ),
    (
        "unable to open database file",
        Meaning(
            CatalogRefused,
            "the catalog's database cannot be opened",
            "Give this process access to the file of `uri` under `catalog:` in lake.yaml, and to its folder",
        ),
    ),
    (
        "file is not a database",
        Meaning(
            CatalogRefused,
            "the catalog's file is no SQLite database",
            "Correct `uri` under `catalog:` in lake.yaml, or put the database back from a copy",
        ),
    ),
    (
        "disk image is malformed",
        Meaning(
            CatalogRefused,
            "the catalog's database is damaged",
            "Put it back from a copy, or recover it (sqlite3 FILE .recover)",
        ),
    ),
)
_WRONG_OPTION = Meaning(
    ConfigurationError, "an option of its address is wrong", "Correct `uri` under `catalog:` in lake.yaml"
)
_NO_TRUST = Meaning(
    CatalogRefused,
    "no trusted TLS connection to the catalog",
    "Correct sslmode and sslrootcert in `uri` under `catalog:` in lake.yaml",
)
_SERVERS = (
    ("invalid sslmode value", _WRONG_OPTION),
    ("invalid connection option", _WRONG_OPTION),
    ("invalid port number", _WRONG_OPTION),
    ("invalid integer value", _WRONG_OPTION),
    ("certificate verify failed", _NO_TRUST),
    ("root certificate file", _NO_TRUST),
    ("server does not support SSL", _NO_TRUST),
    ("password authentication failed", NO_ENTRY),
    ("no password supplied", NO_ENTRY),
    ("no pg_hba.conf entry", NO_ENTRY),
    ("Access denied for", NO_ENTRY),
    ("permission denied", NO_RIGHT),
    ("read-only transaction", Meaning(CatalogRefused, "the catalog's database takes no changes now")),
)
_NOT_CREATED = Meaning(
    CatalogRefused,
    "the server is there, its database or role is not",
    "Create it, or correct `uri` under `catalog:` in lake.yaml",
)
_BY_CLASS = (
    (
        {"ArgumentError"},
        Meaning(
            ConfigurationError,
            "its URI is not a database URL",
            "Correct `uri` under `catalog:` in lake.yaml, for example sqlite:///./.lake/catalog.db or "
            "postgresql://USER:PASSWORD@HOST/DATABASE",
        ),
    ),
    (
        {"IntegrityError"},
        Meaning(CommitConflict, "another writer was first", "Run it again when fewer runs write at once"),
    ),
    ({"TimeoutError"}, Meaning(CatalogUnavailable, "no connection to the catalog's database became free")),
)
_TRANSIENT_STATES = ("08", "53", "57P01", "57P02", "57P03", "40001", "40P01", "55P03")
"""PostgreSQL: connection failures, out of resources, shutting down, conflicts and locks."""


def sql_error(error: BaseException, doing: str) -> LakeError | None:
    """Translate an error of a database; None for other errors."""
    names = class_names(error)
    if "SQLAlchemyError" not in names:
        return None
    text = str(error)
    by_text = next((meaning for part, meaning in (*_SQLITE, *_SERVERS) if part in text), None)
    meaning = by_text or first(names, _BY_CLASS) or _of_server(error, names, text)
    # The driver's own text: SQLAlchemy appends the statement and its parameters.
    original = getattr(error, "orig", None)
    return meaning.of(original if isinstance(original, BaseException) and str(original) else error, doing)


def _of_server(error: BaseException, names: set[str], text: str) -> Meaning:
    original = getattr(error, "orig", None)
    state = str(getattr(original, "pgcode", None) or getattr(original, "sqlstate", None) or "")
    is_connection = bool(names & {"OperationalError", "InterfaceError"})
    if is_connection and not state and ("does not exist" in text or "Unknown database" in text):
        return _NOT_CREATED
    if state.startswith(_TRANSIENT_STATES) or (is_connection and not state):
        return UNREACHABLE
    return Meaning(CatalogRefused, "the catalog's database refused")
