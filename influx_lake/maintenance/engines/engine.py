"""What a query engine is asked for, and what it answers."""

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
        kind: What is to be done.
        options: How, and how the other kinds are.
        identifier: Namespace parts and the table's name.
        table: The table, its columns called as it calls them itself.
        sizes: How large its files are to be.
        now: The time that ages are told from.
        time_column: The column of time, as the table calls it, where something is to be compacted.
        during: The time whose files are to be compacted, from a bound of the table's partitions to another one; None
            for all of it.
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
        """The moment that something of that age is from."""
        return self.now - age

    def compacting(self, time_column: str, during: Window | None) -> Work:
        """The same, for some time."""
        return replace(self, time_column=time_column, during=during)

    @property
    def time_has_zone(self) -> bool:
        """Whether the column of time is one of moments, and not of dates and times of day without a zone."""
        from pyiceberg.types import TimestamptzType

        return isinstance(self.table.schema().find_field(self.time_column).field_type, TimestamptzType)


class QueryEngine(Protocol):
    """An engine that maintains tables by statements of SQL. It is reached when the first statement is run.

    Attributes:
        engine: Which one.
        kinds: What it can do; the rest is left to this process.
        compacts_whole_partitions: Whether the time that it compacts has to begin and end with partitions of the table.
    """

    engine: ClassVar[Engine]
    kinds: ClassVar[frozenset[Kind]]
    compacts_whole_partitions: ClassVar[bool]

    def does(self, kind: Kind) -> frozenset[Kind]:
        """All that it does when it is asked for a kind."""
        return frozenset({kind})

    def statements(self, work: Work) -> tuple[str, ...]:
        """What it is asked to run, in this order."""
        ...

    def properties(self, work: Work) -> Mapping[str, str]:  # noqa: ARG002 - for those that need some
        """Properties of the table that are set before: options that its statements cannot say."""
        return {}

    def run(self, statement: str) -> Mapping[str, int]:
        """Run a statement to its end, and give the numbers that it tells of files, by name.

        Raises:
            MissingExtra: Its client is not installed.
            EngineUnavailable: It does not answer.
            EngineError: It refuses the statement, or fails.
        """
        ...

    def close(self) -> None:
        """Let go of its connection."""
        ...


def moment(at: datetime, *, zone: bool = True) -> str:
    """A timestamp of SQL, in UTC."""
    return f"TIMESTAMP '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}{' UTC' if zone else ''}'"


def duration(age: timedelta) -> str:
    """A length of time as Trino and Athena write it, in seconds."""
    return f"{max(0, int(age.total_seconds()))}s"
