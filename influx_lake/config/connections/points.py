"""Points that lie in files: where the files are, and where they are taken apart."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from influx_lake.config.connections.server import LocalFile
from influx_lake.config.connections.storage import StoredConfig
from influx_lake.config.quantities import Duration, Size


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def absolute_path(path: str, info: ValidationInfo) -> str:
    """A path; a local one that is relative is below the folder of the lake.yaml."""
    root = info.context.get("root") if isinstance(info.context, dict) else None
    return path if "://" in path else str((root or Path.cwd()) / Path(path).expanduser())


def _absolute(paths: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    return tuple(absolute_path(each, info) for each in paths)


Paths = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1), AfterValidator(_absolute)]
"""Files; local ones that are relative are below the folder of the lake.yaml."""


class PointFilesConfig(StoredConfig):
    """A source of points that lie in files."""

    max_bad_lines: int = Field(
        default=0,
        ge=0,
        description="How many lines or records may be unreadable before a run fails. They are left out, counted, and "
        "kept in `bad_lines` of the staging folder.",
    )
    staging: LocalFile = Field(
        default=Path(".lake/staging"),
        validate_default=True,
        description="The folder where files are kept taken apart, for the windows to come.",
    )
    staging_limit: Size = Field(
        default=100_000_000_000,
        ge=1,
        description="How much that folder may hold: what was not used for longest goes first.",
    )
    staging_keep: Duration = Field(
        default=timedelta(days=7), description="How long a file stays taken apart that no window asks for."
    )
