"""The reference store for secrets written in a lake.yaml: Dagster's configuration holds their path instead."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from influx_lake.config.document.reading import raw_text
from influx_lake.config.references.resolving import ReferenceMistake, Template
from influx_lake.config.references.secret import Secret
from influx_lake.config.references.stores import USER_STORES
from influx_lake.errors import ConfigurationError


def read_lake(what: str, _root: Path) -> str:
    """Read the value at a path of a lake.yaml.

    Args:
        what: The file and path, as `lake_reference` writes them.

    Raises:
        ConfigurationError: There is no value at the path, or its references cannot be resolved.
    """
    file, _, place = what.partition("#")
    path, location = Path(unquote(file)), tuple(unquote(part) for part in place.split("/"))
    text = raw_text(path, location)
    if text is None:
        raise ConfigurationError(f"{path} no longer says anything at {'.'.join(location)}")
    try:
        Template.parse(text, USER_STORES)
        # What its own references lead to are secrets, too.
        return Secret(text, root=path.parent).reveal()
    except ReferenceMistake as mistake:
        raise ConfigurationError(f"{path} at {'.'.join(location)}: {mistake}") from None
