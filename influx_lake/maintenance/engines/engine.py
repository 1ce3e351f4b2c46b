"""The interface of query engines that maintain tables: the work, and the engine's statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol

from influx_lake.config.maintenance.engines import Engine
from influx_lake.config.maintenance.options import Kind, MaintenanceOptions
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.compaction.selection import FileSizes

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of maintenance of one table, for an engine.

    Attributes:
        kind: The kind of maintenance.
        options: The options of this kind, and those of the others.
        identifier: Namespace parts and the table's name.
        table: The table, with its own column names.
        sizes: The target sizes of its files.
        now: The time from which ages are counted.
        time_column: The table's own name of the time column, for compaction.
        during: The interval to compact, aligned to the table's partitions; None: all time.
    """

    kind: Kind
    options: MaintenanceOptions
    identifier: tuple[str, ...]
    table: Table
    sizes: FileSizes
    now: datetime
    time_column: str = ""
    during: Window | None = None

    def before(self, age: timedelta) -> datetime:
        """The time a given age ago."""
        return self.now - age

    def compacting(self, time_column: str, during: Window | None) -> Work:
        """The same work for a given interval."""
        return replace(self, time_column=time_column, during=during)

    @property
    def time_has_zone(self) -> bool:
        """Whether the time column is of type timestamptz."""
        from pyiceberg.types import TimestamptzType

        return isinstance(self.table.schema().find_field(self.time_column).field_type, TimestamptzType)


class QueryEngine(Protocol):
    """A query engine that maintains tables by SQL statements. It is connected to with the first statement.

    Attributes:
        engine: Which engine it is.
        kinds: The kinds of maintenance that it supports; the others are done by this process.
        compacts_whole_partitions: Whether the interval that it compacts has to consist of whole partitions.
    """

    engine: ClassVar[Engine]
    kinds: ClassVar[frozenset[Kind]]
    compacts_whole_partitions: ClassVar[bool]

    def does(self, kind: Kind) -> frozenset[Kind]:
        """The kinds of maintenance that its statements for one kind perform."""
        return frozenset({kind})

    def statements(self, work: Work) -> tuple[str, ...]:
        """The statements for a piece of work, in order."""
        ...

    def properties(self, work: Work) -> Mapping[str, str]:  # noqa: ARG002 - for those that need some
        """Table properties to set first: options that the statements cannot express."""
        return {}

    def run(self, statement: str) -> Mapping[str, int]:
        """Run a statement to its end; returns the figures that it reports of files, by name.

        Raises:
            MissingExtra: Its client is not installed.
            EngineUnavailable: It does not answer.
            EngineError: It rejects the statement, or fails.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def moment(at: datetime, *, zone: bool = True) -> str:
    """A time as SQL timestamp, in UTC."""
    return f"TIMESTAMP '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}{' UTC' if zone else ''}'"


def duration(age: timedelta) -> str:
    """A duration in the syntax of Trino and Athena, in seconds."""
    return f"{max(0, int(age.total_seconds()))}s"
