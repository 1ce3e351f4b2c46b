"""Maps the table's column names back to names in InfluxDB: reverses `rename`, `prefix` and `column_names`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from influx_lake.config import ColumnNames, Lake, Measurement, column_name
from influx_lake.config.connections import InfluxDB3Config, InfluxDB3ParquetConfig
from influx_lake.config.values.source_schema import Column, MeasurementSchema, Role
from influx_lake.errors import ConfigurationError, SourceError

AS_STORED = "--as-stored writes what the table has, under the names and in the types that it has it"
"""The remedy where something cannot be undone."""

Ask = Callable[[], MeasurementSchema]
"""Queries the measurement's source for its columns."""


@dataclass(slots=True)
class DeclaredColumns:
    """The columns that the measurement's source declares, queried on first use.

    Attributes:
        ask: Queries them.
        shares_names: Whether a field may have a tag's name there, so that its column is `name__field`.
    """

    ask: Ask
    shares_names: bool = False
    _known: dict[str, Column] | None = field(default=None, init=False)

    def column(self, name: str, why: str) -> Column:
        """A column of the source.

        Args:
            name: Its name in the source.
            why: What is unknown without it, for the error.

        Raises:
            ConfigurationError: The source does not answer, or no longer has such a column.
        """
        found = self._columns(why).get(name)
        if found is None:
            raise ConfigurationError(
                f"{why}, and its source has no column {name!r} any more that would tell", remedy=AS_STORED
            )
        return found

    def named(self, name: str, style: ColumnNames, role: Role, why: str) -> str:
        """The column's name in the source, for a name that `column_names` made.

        Raises:
            ConfigurationError: The source does not answer, or several columns get this name.
        """
        found = [
            each.variant_of or each.name
            for each in self._columns(why).values()
            if each.role is role and column_name(each.variant_of or each.name, style) == name
        ]
        if len(set(found)) != 1:
            has = " and ".join(map(repr, dict.fromkeys(found))) or "none"
            raise ConfigurationError(f"{why}: its source has {has} that would be called so", remedy=AS_STORED)
        return found[0]

    def _columns(self, why: str) -> dict[str, Column]:
        if self._known is None:
            try:
                columns = self.ask().columns
            except SourceError as error:
                raise ConfigurationError(
                    f"{why}, and its source does not tell: {error.message}",
                    remedy=f"Make the source answer; or: {AS_STORED}",
                ) from None
            self._known = {each.name: each for each in columns}
        return self._known


def declared_by(lake: Lake, measurement: Measurement, ask: Ask) -> DeclaredColumns:
    """The columns that a measurement's source declares.

    Args:
        lake: The lake.
        measurement: The measurement.
        ask: Asks the source for them.
    """
    config = lake.source(measurement.source)
    return DeclaredColumns(ask, not isinstance(config, InfluxDB3Config | InfluxDB3ParquetConfig))


def unshared(name: str, tags: Collection[str]) -> str:
    """A field's name, from its column's name, which has a suffix where a tag has the same name."""
    plain = name.removesuffix(f"__{Role.FIELD}")
    return plain if plain in tags else name


@dataclass(frozen=True, slots=True)
class SourceNames:
    """Maps names in the table to names in InfluxDB.

    Attributes:
        measurement: The measurement.
        declared: The columns of its source.
        as_stored: Whether names are kept as they are in the table.
    """

    measurement: Measurement
    declared: DeclaredColumns
    as_stored: bool = False

    def of_tag(self, name: str) -> str:
        """The name of a tag."""
        return self._name(name, Role.TAG, self.measurement.transforms.prefix.tags)

    def of_field(self, name: str) -> str:
        """The name of a field."""
        return self._name(name, Role.FIELD, self.measurement.transforms.prefix.fields)

    def _name(self, name: str, role: Role, prefix: str) -> str:
        if self.as_stored:
            return name
        rename, style = self.measurement.transforms.rename, self.measurement.types.column_names
        former = {new: old for old, new in rename.items()}
        if name in former:
            return former[name]
        plain = name.removeprefix(prefix)
        if prefix and plain == name:
            raise ConfigurationError(
                f"the {role} {name!r} of {self.measurement.table_name} does not begin with {prefix!r}, as `prefix` has "
                "it: what it is called in InfluxDB cannot be told",
                remedy=f"Load the windows again (influx-lake replicate {self.measurement.key} --changed); or: "
                f"{AS_STORED}",
            )
        if style is not ColumnNames.KEEP:
            why = f"what the {role} {name!r} was called before column_names: {style} is not kept in the table"
            return self.declared.named(plain, style, role, why)
        return plain
