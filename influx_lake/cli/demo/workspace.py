"""The folder of a demonstration: its lake.yaml, and the declarations that `--load` adds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.cli.project.scaffold import demo_lake
from influx_lake.cli.sandboxes import SANDBOX_FOLDER
from influx_lake.config import example_lake
from influx_lake.config.lake.lake_file import measurement_entries, replace_text
from influx_lake.errors import ConfigurationError

if TYPE_CHECKING:
    from influx_lake.sandbox import Sandbox

DATABASE = "telemetry"
_MOST_DAYS = 60
_LOADED = """\
# The measurements that `influx-lake demo --load` has added. lake.yaml includes this file.
measurements:{entries}
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of a demonstration.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @property
    def config(self) -> Path:
        """The path of the lake.yaml."""
        return self.folder / "lake.yaml"

    @property
    def sandbox(self) -> Path:
        """The folder of the sandbox's data and token."""
        return self.folder / SANDBOX_FOLDER

    @property
    def loaded(self) -> Path:
        """The path of the included file with measurements from `--load`."""
        return self.folder / ".lake" / "loaded.yaml"

    def prepare(self) -> None:
        """Write the example lake.yaml.

        Raises:
            ConfigurationError: Another lake.yaml is there, which is not ours to use.
            StorageError: It cannot be written.
        """
        if not self.config.exists():
            replace_text(self.config, example_lake())
        elif self.config.read_text(encoding="utf-8") not in (example_lake(), demo_lake(self.folder.name)):
            raise ConfigurationError(
                f"{self.config} is not the example's, and the demo would fill the tables that it names",
                remedy="Give the demo a folder of its own: influx-lake demo --dir demo",
            )

    def point_to(self, box: Sandbox) -> None:
        """Set the example's environment variables to the sandbox, in this process."""
        os.environ["INFLUXDB3_HOST"] = box.url
        os.environ["INFLUXDB3_DATABASE"] = DATABASE
        # Without it the example reads the sandbox's own token file.
        os.environ.pop("INFLUXDB3_TOKEN", None)

    def declare(self, hours: Mapping[str, list[int]]) -> None:
        """Declare the measurements that the example does not list: partitioned by day, or by month where there would be
        many days.

        Args:
            hours: The hours (nanoseconds) in which each has points.
        """
        if hours:
            months = {"partition": {"every": "month"}}
            entries = measurement_entries(
                tuple(sorted(hours)), {name: months for name in hours if _days(hours[name]) > _MOST_DAYS}
            )
            replace_text(self.loaded, _LOADED.format(entries=entries))

    def forget_declared(self) -> None:
        """Remove all but the example's declarations."""
        self.loaded.unlink(missing_ok=True)


def _days(hours: list[int]) -> int:
    """The number of days with points."""
    return len({hour // (86_400 * 10**9) for hour in hours})
