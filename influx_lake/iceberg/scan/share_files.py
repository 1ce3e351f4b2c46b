"""Tells which files of a shared table hold a measurement's rows, from partition values and bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from influx_lake.config.tables.shared_tables import Share
from influx_lake.iceberg.columns.known_columns import share_of

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.types import NestedField


def of_share(table: Table, share: Share) -> BooleanExpression:
    """The scan filter for a measurement's rows; none where the table lacks the column that tells measurements apart."""
    from pyiceberg.expressions import AlwaysFalse, EqualTo

    # pydantic shows type checkers another signature than this has.
    equal = EqualTo(share.column, share.value)  # type: ignore[call-arg,arg-type]
    return AlwaysFalse() if share_field(table, share.column) is None else equal


def share_field(table: Table, column: str) -> NestedField | None:
    """The column that distinguishes measurements; None where the table has none of this name."""
    return next((field for field in table.schema().fields if field.name == column), None)


def only_of_share(table: Table) -> Callable[[DataFile], bool]:
    """A function that tells whether all rows of a file are viewed."""
    share = share_of(table)
    if share is None:
        return lambda file: True
    value_of = sole_value(table, share.column)
    return lambda file: value_of(file) == share.value


def may_hold_share(table: Table) -> Callable[[DataFile], bool]:
    """A function that tells whether a file may hold viewed rows."""
    share = share_of(table)
    if share is None:
        return lambda file: True
    value_of = sole_value(table, share.column)
    return lambda file: value_of(file) in (None, share.value)


def sole_value(table: Table, column: str) -> Callable[[DataFile], str | None]:
    """A function that gives the one string that a column has in all rows of a file; None where it may have several.

    It is the partition value, or the lower bound if it equals the upper one: then neither is truncated, since a
    truncated upper bound is greater than the values.
    """
    field = share_field(table, column)
    if field is None:
        return lambda file: None
    number, places = field.field_id, _identity_places(table, field.field_id)

    def value_of(file: DataFile) -> str | None:
        place = places.get(file.spec_id)
        if place is not None:
            value: Any = file.partition[place]
            return value if isinstance(value, str) else None
        lower, upper = ((bounds or {}).get(number) for bounds in (file.lower_bounds, file.upper_bounds))
        if lower is None or lower != upper or (file.null_value_counts or {}).get(number) != 0:
            return None
        return bytes(lower).decode()

    return value_of


def _identity_places(table: Table, column: int) -> dict[int, int]:
    """The index of a column's value in the partitions of files, by the id of their partition spec."""
    from pyiceberg.transforms import IdentityTransform

    return {
        spec.spec_id: place
        for spec in table.metadata.partition_specs
        for place, field in enumerate(spec.fields)
        if field.source_id == column and isinstance(field.transform, IdentityTransform)
    }
