"""Options common to sources of files with points: paths, staging, limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from influx_lake.config.connections.limits import DocumentLimit
from influx_lake.config.connections.storage import StoredConfig
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.lists import Distinct, OneOrMore
from influx_lake.config.values.locations import STORES, WEB, LocalFile, absolute_path, check_scheme
from influx_lake.config.values.read_options import PositiveDuration
from influx_lake.config.values.units import Size, WholeNumber
from influx_lake.config.values.validated_names import Text

MAX_EXPANSION = "max_expansion"
"""The option that limits the decompressed size of a file."""
TRAILING_NEWLINE = "trailing_newline"
"""The option that says whether a file's last line must end with a newline."""


def _absolute(paths: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    return tuple(absolute_path(check_scheme(each, (*STORES, *WEB)), info) for each in paths)


Paths = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_absolute), Distinct(), OneOrMore()]
"""Files; relative local paths are below the folder of the lake.yaml."""


_PATTERN = re.compile(r"[*?\[{]")


def read_folders(*paths: str, deep: bool) -> Iterator[tuple[str, bool]]:
    """The folders or files that paths and patterns read, and whether subfolders are read.

    Args:
        paths: The files: paths, folders or patterns.
        deep: Whether subfolders of a path's fixed part are read whatever the pattern.
    """
    for path in paths:
        fixed = _PATTERN.split(path, maxsplit=1)[0]
        yield (fixed if fixed == path else fixed.rpartition("/")[0]) or "/", deep or fixed == path or "**" in path


def check_staging(staging: Path, *paths: str, deep: bool) -> None:
    """Check that the staging folder is not among the files that are read.

    Args:
        staging: The staging folder.
        paths: The files: paths, folders or patterns.
        deep: Whether subfolders of a path's fixed part are read whatever the pattern.

    Raises:
        ValidationError: It is among them.
    """
    for folder, below in read_folders(*paths, deep=deep):
        base = Path(folder.removeprefix("file://"))
        if staging == base or (below and staging.is_relative_to(base) and not is_hidden(staging.relative_to(base))):
            message = f"lies where the files of `path` are, in {base}: name a folder elsewhere, such as .lake/staging"
            raise contradiction(message, "staging")


def is_hidden(path: PurePath) -> bool:
    """Whether a path is skipped by sources of files; see `influx_lake.sources.landing_zone.folders`."""
    return any(part.startswith((".", "_")) for part in path.parts)


class PointFilesConfig(DocumentLimit, StoredConfig):
    """A source of points that lie in files."""

    max_expansion: WholeNumber = Field(
        default=1000,
        ge=1,
        description="How many times its size a compressed file may unpack to, once that is more than `max_document`.",
    )
    trailing_newline: Literal["required", "optional"] = Field(
        default="required",
        description="Whether the last line of a file counts only with its line break. A file that was cut off, or is "
        "still being written, ends inside of a value, which can pass for a whole one: `12.3` of `12.34`. `optional`: "
        "the files are whole, and their writer leaves the last line break out.",
    )

    max_bad_lines: WholeNumber = Field(
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
        ge=1_000_000,
        description="How much that folder may hold: what was not used for longest goes first.",
    )
    staging_keep: PositiveDuration = Field(
        default=timedelta(days=7), description="How long a file stays taken apart that no window asks for."
    )
