"""Selects the columns of a measurement that its table gets, and names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from influx_lake.config import Measurement, column_name
from influx_lake.config.values.source_schema import Column, MeasurementSchema, Role
from influx_lake.errors import ConfigurationError, SchemaConflict


def chosen(schema: MeasurementSchema, measurement: Measurement) -> list[Column]:
    """The columns that `fields` and `tags` select.

    Raises:
        ConfigurationError: No field is selected, or a tag is left out and `duplicates` is not set for points that it
            distinguishes.
    """
    options = measurement.transforms
    fields = {column.variant_of or column.name: None for column in schema.columns if column.role is Role.FIELD}
    kept_fields = set(options.fields.chosen(list(fields)))
    kept_tags = set(options.tags.chosen(schema.tags))
    if not kept_fields:
        raise ConfigurationError(
            f"`fields` of {measurement.key} leaves no field: the source has {_listed(list(fields))}",
            remedy="Name one of them in `fields: {include: [...]}`, or a pattern that matches one",
            measurement=measurement.name,
        )
    left = [tag for tag in schema.tags if tag not in kept_tags]
    if left and options.duplicates is None:
        raise ConfigurationError(
            f"`tags` of {measurement.key} leaves out {_listed(left)}, without which points at the same time may not be "
            "distinguishable",
            remedy="Set `duplicates: keep` to keep them all, or `duplicates: last` to keep one of each",
            measurement=measurement.name,
        )
    kept = {Role.TAG: kept_tags, Role.FIELD: kept_fields}
    return [
        column
        for column in schema.columns
        if column.role is Role.TIME or (column.variant_of or column.name) in kept[column.role]
    ]


def table_names(columns: Sequence[Column], measurement: Measurement) -> dict[str, str]:
    """The names of columns in the measurement's table.

    Raises:
        SchemaConflict: Two of them would have one name.
    """
    names = {column.name: _name(column, measurement) for column in columns}
    by_name: dict[str, str] = {}
    for source, name in names.items():
        if (other := by_name.setdefault(name, source)) != source:
            raise SchemaConflict(
                f"the columns {other!r} and {source!r} of the source would both be {name!r} in "
                f"{measurement.table_name}",
                remedy=f"Give one of them another name: rename: {{{source}: ...}}",
                measurement=measurement.name,
            )
    return names


def option_for(source: str, name: str, options: Mapping[str, str], table_columns: Collection[str]) -> str | None:
    """The option for a column, by its name in the table, else by that in the source if no column of the table has it.

    Args:
        source: Its name in the source.
        name: Its name in the table.
        options: The options by column.
        table_columns: The names of all columns of the table.
    """
    return options.get(name, None if source in table_columns else options.get(source))


def _name(column: Column, measurement: Measurement) -> str:
    options = measurement.transforms
    if column.name in options.rename or column.role is Role.TIME:
        return options.rename.get(column.name, column.name)
    prefix = options.prefix.tags if column.role is Role.TAG else options.prefix.fields
    return prefix + column_name(column.name, measurement.types.column_names)


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
