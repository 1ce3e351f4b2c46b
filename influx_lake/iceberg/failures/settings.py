"""Errors of catalog properties with which pyiceberg cannot open a catalog."""

from __future__ import annotations

from influx_lake.errors import ConfigurationError, LakeError
from influx_lake.iceberg.failures.exceptions import class_names, first_line

_PYICEBERGS = {"NoSuchPropertyException", "NoSuchNamespaceError", "NoSuchTableError"}
_REMEDIES = (
    ("is not a valid CatalogType", "Set `type` under `catalog:` in lake.yaml to rest, sql, hive, glue or in-memory"),
    ("URI missing", "Set `uri` under `catalog:` in lake.yaml"),
    ("URI is required", "Set `uri` under `catalog:` in lake.yaml"),
    ("Could not infer the catalog type", "Set `type` under `catalog:` in lake.yaml, or correct `uri`"),
    (
        "hierarchical namespaces are not supported",
        "Set `namespace` in lake.yaml to one name without dots: this kind of catalog has no namespaces in others",
    ),
    ("auth.", "Correct the settings of `auth` under `catalog:` in lake.yaml"),
    ("py-catalog-impl", "Correct `py-catalog-impl` under `catalog:` in lake.yaml"),
)


def settings_error(error: BaseException, doing: str) -> LakeError | None:
    """Translate pyiceberg's refusal of a catalog's properties; None for other errors."""
    if not (isinstance(error, ValueError) or class_names(error) & _PYICEBERGS):
        return None
    remedy = next((remedy for part, remedy in _REMEDIES if part in str(error)), None)
    return ConfigurationError(f"could not {doing}: {first_line(error)}", remedy=remedy) if remedy else None
