"""The names of a lake's resources, pools, jobs and sensors, so that several lakes can share a code location."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from influx_lake.config import Lake

LAKE_TAG = "influx_lake/lake"
"""The tag of a named lake's assets and jobs, and so of their runs: the lake's name."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class LakeNames:
    """The names of a lake's definitions in a code location, prefixed with the lake's name where it has one.

    Attributes:
        lake: The lake's name (`name` in lake.yaml); None for the only lake of its code location.
    """

    lake: str | None = None

    @classmethod
    def of(cls, lake: Lake) -> LakeNames:
        """The names for a lake."""
        return cls(lake.name)

    def scoped(self, name: str) -> str:
        """The name of a job, sensor, pool or resource of this lake, in characters that Dagster accepts."""
        return safe_name(f"{self.lake}_{name}" if self.lake else name)

    @property
    def catalog(self) -> str:
        """The resource key of the lake's catalog."""
        return self.scoped("iceberg_catalog")

    @property
    def io_manager(self) -> str:
        """The resource key of the lake's `IcebergIOManager`, which stores assets in the lake's catalog."""
        return self.scoped("iceberg_io_manager")

    def source(self, source: str) -> str:
        """The resource key of a source of the lake, and the name of its pool."""
        return self.scoped(f"influxdb_{source}")

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the lake's assets and jobs."""
        return {LAKE_TAG: self.lake} if self.lake else {}

    def placed(self, *place: str) -> list[str]:
        """The key of an asset below one that every lake has (`influxdb`, `influx_lake/overview`)."""
        return [*([self.lake] if self.lake else []), *place]


UNNAMED = LakeNames()
"""The names for a lake that is the only one of its code location."""


def safe_name(text: str) -> str:
    """A name that Dagster accepts; where characters are replaced, a digest keeps it unique."""
    cleaned = _NOT_IN_A_NAME.sub("_", text)
    return cleaned if cleaned == text else f"{cleaned}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
