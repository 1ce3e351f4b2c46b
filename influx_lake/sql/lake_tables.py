"""Resolves table names in statements: `namespace.table`, a table, or a measurement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from influx_lake.config import Lake, Measurement
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.source_schema import TIME
from influx_lake.errors import ConfigurationError
from influx_lake.maintenance.tables import tables_of
from influx_lake.sql.statement import OF_DUCKDB, Statement, TableName


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table of the catalog, or a measurement's share of one.

    Attributes:
        identifier: Namespace parts and the table's name.
        time_column: The name of its time column.
        share: The measurement's share, where a measurement was named whose table may hold several.
        is_of_lake: Whether lake.yaml declares it; the catalog may have others.
    """

    identifier: tuple[str, ...]
    time_column: str = TIME
    share: Share | None = None
    is_of_lake: bool = True

    @property
    def schema(self) -> str:
        """Its namespace."""
        return ".".join(self.identifier[:-1])

    @property
    def name(self) -> str:
        """Its own name."""
        return self.identifier[-1]

    @property
    def full_name(self) -> str:
        """`namespace.table`."""
        return ".".join(self.identifier)

    def measurements(self, lake: Lake) -> list[Measurement]:
        """The measurements whose rows it holds; none for a roll-up or quarantine."""
        return [
            each
            for each in lake.measurements
            if each.identifier == self.identifier and self.share in (None, each.share)
        ]


@dataclass(frozen=True)
class LakeTables:
    """The tables of a lake: measurements, roll-ups and quarantines.

    Attributes:
        lake: The lake.
    """

    lake: Lake

    @cached_property
    def all(self) -> tuple[LakeTable, ...]:
        """Each of them, once."""
        return tuple(LakeTable(each.target.identifier, each.target.time_column) for each in tables_of(self.lake))

    def find(self, name: str) -> LakeTable:
        """The table or measurement of a given name.

        Raises:
            ConfigurationError: No table has this name, or several have.
        """
        full = [each for each in self.all if each.full_name == name]
        if full:
            return full[0]
        named = [each for each in self.all if each.name == name]
        try:
            measured = _rows_of(self.lake.find(name))
        except ConfigurationError:
            if (found := _only(name, named)) is not None:
                return found
            raise
        _only(name, [measured, *(each for each in named if each.identifier != measured.identifier)])
        return measured

    def asked(self, statement: Statement) -> dict[TableName, LakeTable]:
        """The tables that a statement may read, by the names they get in DuckDB.

        Raises:
            ConfigurationError: A name means several tables, or the statement names tables that differ in case only.
        """
        found = {TableName(each.schema, each.name): each for each in (self.all if statement.needs_all else ())}
        for name in statement.tables:
            if (table := self._table_named(name)) is not None:
                found[TableName(table.schema if name.schema or table.share is None else "", name.table)] = table
        _check_case(found)
        return found

    def _table_named(self, name: TableName) -> LakeTable | None:
        """The table that a name in a statement means; None where it may be something of DuckDB's own."""
        if name.schema.lower() in OF_DUCKDB:
            return None
        if name.schema:
            own = _with_name(name.table, [each for each in self.all if each.schema.lower() == name.schema.lower()])
            return own[0] if own else LakeTable((*name.schema.split("."), name.table), is_of_lake=False)
        found = _only(name.table, _with_name(name.table, self.all))
        if found is not None:
            return found
        measurements = {each.name for each in self.lake.measurements}
        alike = [each for each in measurements if each.lower() == name.table.lower()]
        try:
            return _rows_of(self.lake.find(alike[0] if len(alike) == 1 else name.table))
        except ConfigurationError:
            return None


def _rows_of(measurement: Measurement) -> LakeTable:
    return LakeTable(measurement.identifier, measurement.time_column, measurement.share)


def _only(name: str, found: list[LakeTable]) -> LakeTable | None:
    if len(found) > 1:
        tables = ", ".join(each.full_name for each in found)
        raise ConfigurationError(f"{name} is several tables: {tables}", remedy="Name its namespace too")
    return found[0] if found else None


def _with_name(name: str, tables: Iterable[LakeTable]) -> list[LakeTable]:
    """The entries with a name, else those whose name differs in case only."""
    tables = list(tables)
    return [each for each in tables if each.name == name] or [
        each for each in tables if each.name.lower() == name.lower()
    ]


def _check_case(names: dict[TableName, LakeTable]) -> None:
    folded: dict[tuple[str, str], LakeTable] = {}
    for name, table in names.items():
        other = folded.setdefault((name.schema.lower(), name.table.lower()), table)
        if other != table:
            both = sorted((other.full_name, table.full_name))
            raise ConfigurationError(
                f"{' and '.join(both)} differ in case only, which DuckDB takes for one",
                remedy="Ask for one of them at a time",
            )
