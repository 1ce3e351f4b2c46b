"""The destination of a restore: a source of the lake that is an InfluxDB, or a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from influx_lake.config import Lake, Measurement
from influx_lake.config.connections import AutoConfig, InfluxDB3Config, ServerConfig
from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError
from influx_lake.restore.delivery.batch import Batch, Refused
from influx_lake.restore.delivery.journal import Journal
from influx_lake.restore.delivery.rate_limit import Pace
from influx_lake.restore.delivery.sender import Sender
from influx_lake.restore.guards import check_source_is_empty
from influx_lake.restore.lines.dialect import GO, RUST, Dialect
from influx_lake.restore.options import RestoreOptions
from influx_lake.restore.targets.files import FilesReadBack, FolderTarget, file_of
from influx_lake.restore.targets.server import ServerTarget, endpoint_of
from influx_lake.restore.verification import ReadBack
from influx_lake.sources import open_reliable_source

OnAcknowledged = Callable[[Batch, tuple[Refused, ...]], None]
"""Called with each acknowledged batch, and the points of it that were refused."""


class Sink(Protocol):
    """Writes batches to a destination."""

    def take(self, batch: Batch) -> None:
        """Write a batch of points.

        Raises:
            LakeError: It, or an earlier one, cannot be written.
        """
        ...

    def finish(self, window: Window) -> None:
        """End a window: no more batches of it follow."""
        ...

    def drain(self) -> None:
        """Wait until every batch is written.

        Raises:
            LakeError: A batch cannot be written.
        """
        ...

    def close(self) -> None:
        """Abort what is under way."""
        ...


class Destination(Protocol):
    """The destination of a restore, where points are written and read back."""

    @property
    def identity(self) -> str:
        """A unique identity, without credentials."""
        ...

    @property
    def label(self) -> str:
        """A name for people."""
        ...

    @property
    def likely_dialect(self) -> Dialect:
        """Its dialect of line protocol, as far as is known without asking the server."""
        ...

    @property
    def dialect(self) -> Dialect:
        """Its dialect of line protocol.

        Raises:
            SourceError: The server has to be asked and does not answer.
        """
        ...

    def line_name(self, name: str) -> str:
        """The measurement's name in lines."""
        ...

    def check_not_the_source(self, lake: Lake, name: str, windows: Sequence[Window]) -> None:
        """Refuse to write into a measurement that the lake is loaded from and that has points.

        Raises:
            SourceNotEmpty: It is one.
        """
        ...

    def lacks(self, name: str, window: Window, options: RestoreOptions) -> bool:
        """Whether points that were written of a window are gone."""
        ...

    def sink(self, name: str, journal: Journal, options: RestoreOptions, taken: OnAcknowledged) -> Sink:
        """Open a sink for a measurement."""
        ...

    def source(self, name: str, windows: Sequence[Window], options: RestoreOptions) -> ReadBack:
        """Open a source that reads back what was written."""
        ...


@dataclass(frozen=True, slots=True)
class ServerDestination:
    """A source of the lake that is an InfluxDB.

    Attributes:
        config: The source's configuration.
    """

    config: ServerConfig

    @property
    def identity(self) -> str:
        return f"{self.config.type}://{self.config.address}/{self.config.database}"

    @property
    def label(self) -> str:
        return f"{self.config.label} at {self.config.address}"

    @property
    def likely_dialect(self) -> Dialect:
        return RUST if isinstance(self.config, InfluxDB3Config) else GO

    @property
    def dialect(self) -> Dialect:
        is_known = not isinstance(self.config, AutoConfig)
        return self.likely_dialect if is_known else endpoint_of(self.config, "any.name").dialect

    def line_name(self, name: str) -> str:
        return name if isinstance(self.config, AutoConfig) else endpoint_of(self.config, name).measurement

    def check_not_the_source(self, lake: Lake, name: str, windows: Sequence[Window]) -> None:
        with closing(open_reliable_source(self.config)) as source:
            check_source_is_empty(lake, self.config, source, name, windows)

    def lacks(self, name: str, window: Window, options: RestoreOptions) -> bool:  # noqa: ARG002 - asked of files
        return False

    def sink(self, name: str, journal: Journal, options: RestoreOptions, taken: OnAcknowledged) -> Sink:
        target = ServerTarget(endpoint_of(self.config, name))
        retry, pace = self.config.retry, Pace(options.rate)
        return Sender(target.send, retry, journal, pace, options.concurrency, taken, target.close)

    def source(self, name: str, windows: Sequence[Window], options: RestoreOptions) -> ReadBack:  # noqa: ARG002
        return open_reliable_source(self.config)


@dataclass(frozen=True, slots=True)
class FolderDestination:
    """A folder of files of line protocol.

    Attributes:
        folder: The folder.
        database: The database that the files' headers name.
    """

    folder: Path
    database: str

    @property
    def identity(self) -> str:
        return f"files://{self.folder}"

    @property
    def label(self) -> str:
        return f"files of line protocol in {self.folder}"

    @property
    def likely_dialect(self) -> Dialect:
        return GO

    @property
    def dialect(self) -> Dialect:
        return GO

    def line_name(self, name: str) -> str:
        return name

    def check_not_the_source(self, lake: Lake, name: str, windows: Sequence[Window]) -> None:
        """Does nothing: no source reads new files before lake.yaml says so."""

    def lacks(self, name: str, window: Window, options: RestoreOptions) -> bool:
        return not file_of(self.folder, options.packing, name, window).exists()

    def sink(self, name: str, journal: Journal, options: RestoreOptions, taken: OnAcknowledged) -> Sink:
        return FolderTarget(self.folder, options.packing, name, self.database, journal, Pace(options.rate), taken)

    def source(self, name: str, windows: Sequence[Window], options: RestoreOptions) -> ReadBack:
        files = (file_of(self.folder, options.packing, name, each) for each in windows)
        return FilesReadBack([each for each in files if each.exists()], self.database)


def destination_of(lake: Lake, measurement: Measurement, to: str, base: Path) -> Destination:
    """Resolve the value of `--to`.

    Args:
        lake: The lake.
        measurement: The measurement that is restored.
        to: The name of a source of the lake, or a folder: a text with a `/`, or an existing folder.
        base: The base of relative folders.

    Raises:
        ConfigurationError: There is no such source, or it cannot be written to.
    """
    if to in lake.sources or any(group.holds(to) for group in lake.groups):
        config = lake.source(to)
        if isinstance(config, ServerConfig):
            return ServerDestination(config)
        raise ConfigurationError(
            f"the source {to} takes no points: a source of type {config.type} is only read",
            remedy="Name a source that is an InfluxDB, or a folder for files of line protocol, such as --to exports/",
        )
    folder = base / Path(to).expanduser()
    if "://" not in to and ("/" in to or folder.is_dir()):
        return FolderDestination(folder.absolute(), measurement.database)
    if "://" in to:
        raise ConfigurationError(
            f"cannot restore to {to}: files are written into a folder of this machine",
            remedy="Name a folder, and copy its files; or the name of a source in lake.yaml",
        )
    raise ConfigurationError(
        f"{lake.path.name} has no source {to}{suggestion(to, lake.sources)}",
        remedy=f"It has: {', '.join(lake.sources)}. For a folder write --to {to}/",
    )
