"""The section `catalog`: a name, and properties of pyiceberg's `load_catalog`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from influx_lake.config.redaction.secret_parts import SECRET_NAME
from influx_lake.config.references.resolving import Template
from influx_lake.config.references.secret import Secret
from influx_lake.config.values.read_options import PositiveDuration

DEFAULT_CATALOG = {
    "name": "lake",
    "type": "sql",
    "uri": "sqlite:///./.lake/catalog.db",
    "warehouse": "./.lake/warehouse",
}
"""The default catalog: SQLite on the local disk."""

TIMEOUT = "timeout"
"""The one property that is ours, not pyiceberg's."""
DEFAULT_TIMEOUT = "30s"

CATALOG_TYPES = ("rest", "hive", "glue", "dynamodb", "sql", "in-memory", "bigquery")

_SECRET_VALUE = re.compile(r"://[^/@:]*:[^@]+@|[?&;](\w*passw(or)?d|token|secret|\w+_key|sig)=", re.IGNORECASE)
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/)([^?]+)(.*)", re.DOTALL)
_V = TypeVar("_V", str, str | Secret)
_DRIVERLESS_POSTGRES = re.compile(r"postgres(ql)?://")


class CatalogSection(BaseModel):
    """The `catalog` of a lake.yaml. Every property is handed to pyiceberg's `load_catalog` as it is."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, str]

    name: str = Field(default="lake", min_length=1, description="The catalog's name.")
    type: Annotated[str, WithJsonSchema({"type": "string", "enum": list(CATALOG_TYPES)})] | None = Field(
        default=None, description="pyiceberg's kind of catalog; it may be left out where the uri tells."
    )
    uri: str | None = Field(
        default=None,
        description="Where the catalog is. A relative SQLite file is below the folder of the lake.yaml.",
        examples=["sqlite:///./.lake/catalog.db", "postgresql://lake:${PGPASSWORD}@db/lake", "https://catalog/rest"],
    )
    warehouse: str | None = Field(
        default=None,
        description="Where the tables' files go. A relative folder is below the folder of the lake.yaml.",
        examples=["./.lake/warehouse", "s3://bucket/lake"],
    )
    storage: str | None = Field(
        default=None,
        description="The entry of `storage` by which the tables' files are reached; properties here go before its own.",
    )
    timeout: PositiveDuration | None = Field(
        default=None,
        description="The longest wait: for the whole of an answer of a REST catalog; for a connection to a Hive "
        "Metastore, AWS or PostgreSQL; for the next bytes of an answer of the first two; for what Google's storage "
        "refuses. Default: 30s.",
    )


@dataclass(frozen=True)
class CatalogConfig:
    """A catalog's name and properties, secrets still closed.

    Attributes:
        name: The catalog's name.
        entries: pyiceberg's properties; secrets, and values kept in a store, are `Secret`s.
        root: The base of relative paths.
        lock_timeout: The longest wait for a lock on a SQLite file: the shortest `commit_timeout`.
    """

    name: str
    entries: Mapping[str, str | Secret]
    root: Path = field(default_factory=Path.cwd)
    lock_timeout: timedelta | None = None

    @classmethod
    def of(
        cls,
        properties: Mapping[str, str],
        *,
        name: str = "lake",
        root: Path | None = None,
        lake: Path | None = None,
        places: Mapping[str, tuple[str, ...]] | None = None,
    ) -> CatalogConfig:
        """Split properties into plain values and secrets.

        Args:
            properties: pyiceberg's properties; values may hold references.
            name: The catalog's name.
            root: The base of relative paths; default: the current folder.
            lake: The lake.yaml with the properties, if any.
            places: For flattened properties, where below `catalog` they are written.

        Raises:
            ReferenceMistake: A value holds a `${` that does not start a reference.
            ConfigurationError: A variable is not set.
        """
        root = root or Path.cwd()
        entries: dict[str, str | Secret] = {}
        for key, text in properties.items():
            template = Template.parse(text)
            closed = Secret(text, root=root, lake=lake, location=("catalog", *(places or {}).get(key, (key,))))
            if is_secret_name(key) or template.needs_store:
                entries[key] = closed
            else:
                value = template.resolve(root)
                entries[key] = closed if shows_secret(value) else value
        return cls(name, entries, root)

    def properties(self) -> dict[str, str]:
        """The properties for pyiceberg's `load_catalog`: secrets read, relative paths made absolute. Creates nothing.

        Raises:
            ConfigurationError: A secret cannot be read.
        """
        revealed = {}
        for key, value in self.entries.items():
            text = value.reveal() if isinstance(value, Secret) else value
            # An optional secret that is not set, `${CATALOG_TOKEN:-}`, is left out.
            if text or not isinstance(value, Secret):
                revealed[key] = text
        return absolute_properties(revealed, self.root)

    def __reduce__(self) -> tuple[Any, ...]:
        """What another process gets: references, which it resolves itself, and no secret's value.

        Raises:
            ConfigurationError: A secret was given as a value, and not in a lake.yaml.
        """
        entries = {
            key: value if isinstance(value, str) or holds_secret(key, value) else _Unresolved(value.unresolved)
            for key, value in self.entries.items()
        }
        return _opened_elsewhere, (self.name, entries, self.root, self.lock_timeout)

    def references(self) -> dict[str, str]:
        """The properties with each secret replaced by its reference.

        A `Secret` made from such a text reveals the value.
        """
        return {
            key: value.reference if isinstance(value, Secret) else value.replace("${", "$${")
            for key, value in absolute_properties(self.entries, self.root).items()
        }


class _Unresolved(str):
    """A text whose references are of secrets, which are resolved where it is used."""

    __slots__ = ()


def _opened_elsewhere(
    name: str, entries: Mapping[str, str | Secret], root: Path, lock_timeout: timedelta | None
) -> CatalogConfig:
    opened = {
        key: Secret(value, root=root) if isinstance(value, _Unresolved) else value for key, value in entries.items()
    }
    return CatalogConfig(name, opened, root, lock_timeout)


def is_secret_name(name: str) -> bool:
    """Whether the values of a property with this name are secret."""
    return SECRET_NAME.search(name) is not None and not name.endswith(("-expires-at", ".token_url", "kms-key-id"))


def shows_secret(value: str) -> bool:
    """Whether a URL contains a password, or a secret query parameter."""
    return _SECRET_VALUE.search(value) is not None


def holds_secret(name: str, value: Secret) -> bool:
    """Whether a text itself contains a secret: `postgresql://lake:${PGPASSWORD}@db/lake` does not."""
    is_in = re.compile(r"\w") if is_secret_name(name) else _SECRET_VALUE
    return is_in.search(value.written) is not None


def absolute_properties(properties: Mapping[str, _V], root: Path) -> dict[str, _V]:
    """Make paths of SQLite files and warehouses absolute, and name the installed PostgreSQL driver in the URI."""
    result = dict(properties)
    uri, warehouse = properties.get("uri"), properties.get("warehouse")
    if isinstance(uri, str):
        result["uri"] = _DRIVERLESS_POSTGRES.sub("postgresql+psycopg2://", _absolute_sqlite(uri, root), count=1)
    if isinstance(warehouse, str) and _is_relative_folder(warehouse, properties):
        result["warehouse"] = os.path.normpath(root / warehouse)
    return result


def _absolute_sqlite(uri: str, root: Path) -> str:
    match = _SQLITE.fullmatch(uri)
    if match is None or match[2].startswith((":memory:", "file:")):
        return uri
    # In a URL a question mark starts the query, and SQLAlchemy decodes percent signs.
    folder = str(root).replace("%", "%25").replace("?", "%3F")
    return f"{match[1]}{os.path.normpath(os.path.join(folder, match[2]))}{match[3]}"


def _is_relative_folder(warehouse: str, properties: Mapping[str, object]) -> bool:
    if "://" in warehouse or warehouse.startswith(("/", "file:")):
        return False
    if warehouse.startswith(("./", "../")) or warehouse in (".", ".."):
        return True
    # Elsewhere a bare word is a warehouse that the catalog knows by name.
    uri = properties.get("uri")
    return properties.get("type") in ("sql", "in-memory") or (isinstance(uri, str) and uri.startswith("sqlite"))
