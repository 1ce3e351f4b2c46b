"""Discovery results (measurements, first points of sources), kept in a file, so that loading a lake
contacts no server.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from influx_lake.config.values.windows import parse_moment, utc_text
from influx_lake.errors import ConfigurationError
from influx_lake.private_folders import make_private, replace_private_file

STATE = Path(".lake") / "measurements.json"
"""The file beside a lake.yaml. Dagster keeps the same text as the state of a component."""

Place = tuple[str, str]
"""A measurement as (source, name)."""


class _Text(BaseModel):
    """The model of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    measurements: dict[str, list[str]] = {}
    gone: dict[str, list[str]] = {}
    first_points: dict[str, dict[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Discovered:
    """The discovery results of a lake's sources.

    Attributes:
        measurements: The measurements of each source, including vanished ones.
        gone: The vanished measurements: their tables stay.
        first_points: The times of oldest points, for `partition.start: first_point`.
    """

    measurements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    first_points: Mapping[Place, datetime] = field(default_factory=dict)

    def updated(
        self,
        found: Mapping[str, Iterable[str]],
        *,
        gone: Mapping[str, Iterable[str]] | None = None,
        first_points: Mapping[Place, datetime] | None = None,
        groups: Iterable[str] = (),
    ) -> Discovered:
        """The results after another discovery; sources not in `found` or `gone` keep theirs.

        Args:
            found: The measurements found, by source.
            gone: The measurements that have vanished.
            first_points: The first points found. A known one is replaced only by an earlier one: where a server has
                deleted its oldest points, their windows are still in the table.
            groups: Entries all of whose databases are in `found`: their other databases have vanished.
        """
        prefixes = tuple(f"{group}/" for group in groups)
        kept = {source: names for source, names in self.measurements.items() if not source.startswith(prefixes)}
        points = dict(self.first_points)
        for place, first in (first_points or {}).items():
            points[place] = min(first, points.get(place, first))
        return Discovered({**kept, **_sorted(found)}, {**self.gone, **_sorted(gone or {})}, points)

    def as_text(self) -> str:
        """The text of the file."""
        points: dict[str, dict[str, str]] = {}
        for (source, name), first in self.first_points.items():
            points.setdefault(source, {})[name] = utc_text(first)
        content = {"measurements": dict(self.measurements), "gone": dict(self.gone), "first_points": points}
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    @classmethod
    def of_text(cls, text: str) -> Discovered:
        """Parse the text of the file, also in the older format without first points.

        Raises:
            ValueError: It is invalid.
        """
        try:
            content = json.loads(text)
            if isinstance(content, dict) and all(isinstance(names, list) for names in content.values()):
                content = {"measurements": content}
            read = _Text.model_validate(content)
        except (ValidationError, RecursionError) as error:
            raise ValueError(str(error)) from None
        points = ((source, name, text) for source, names in read.first_points.items() for name, text in names.items())
        return cls(
            {source: tuple(names) for source, names in read.measurements.items()},
            {source: tuple(names) for source, names in read.gone.items()},
            {(source, name): parse_moment(text) for source, name, text in points},
        )


def read_discovered(root: Path) -> Discovered:
    """Read the results beside a lake.yaml; empty before the first discovery.

    Args:
        root: The lake's folder.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    return read_discovered_file(root / STATE, "Delete it and let `influx-lake discover` write it again")


def read_discovered_file(path: Path, remedy: str) -> Discovered:
    """Read the results in a file; empty where there is none.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return Discovered.of_text(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return Discovered()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise ConfigurationError(f"{path} does not hold the measurements of each source", remedy=remedy) from None


def write_discovered(
    root: Path,
    found: Mapping[str, Iterable[str]],
    *,
    gone: Mapping[str, Iterable[str]] | None = None,
    first_points: Mapping[Place, datetime] | None = None,
    groups: Iterable[str] = (),
) -> Path:
    """Update the results beside a lake.yaml, see `Discovered.updated`; returns the file.

    Raises:
        ConfigurationError: The file cannot be read or written.
    """
    known = read_discovered(root).updated(found, gone=gone, first_points=first_points, groups=groups)
    return replace_discovered(root, known)


def replace_discovered(root: Path, known: Discovered) -> Path:
    """Write the results beside a lake.yaml, atomically.

    Raises:
        ConfigurationError: It cannot be written.
    """
    path = root / STATE
    try:
        make_private(path.parent)
        replace_private_file(path, known.as_text().encode())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from None
    return path


def _sorted(found: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {source: tuple(sorted(set(names))) for source, names in found.items()}
