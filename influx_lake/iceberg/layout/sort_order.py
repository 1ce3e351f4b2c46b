"""The sort order that lake.yaml states, as a table and its files record it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.errors import SchemaConflict

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.sorting import SortField, SortOrder


@dataclass(frozen=True, slots=True)
class FileOrder:
    """The sort order that a file declares.

    Attributes:
        order_id: The id of the sort order in the table.
        columns: The same order for Parquet readers.
    """

    order_id: int
    columns: tuple[pq.SortingColumn, ...]

    @classmethod
    def of(cls, table: Table, terms: Sequence[SortTerm]) -> FileOrder | None:
        """The order that files declare whose rows are sorted by the terms; None without terms, or where the table has
        no such order: another writer has just changed it.
        """
        wanted = _fields(terms, table.schema())
        order_id = next((order.order_id for order in table.metadata.sort_orders if order.fields == wanted), None)
        if not terms or order_id is None:
            return None
        position = {field.name: number for number, field in enumerate(table.schema().fields)}
        return cls(
            order_id,
            tuple(pq.SortingColumn(position[term.column], term.descending, not term.descending) for term in terms),
        )


def new_order(terms: Sequence[SortTerm], schema: Schema) -> SortOrder:
    """The sort order of a new table.

    Raises:
        SchemaConflict: A column is missing.
    """
    from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder

    return SortOrder(*_fields(terms, schema)) if terms else UNSORTED_SORT_ORDER


def identity_terms(table: Table) -> tuple[SortTerm, ...]:
    """The default sort order of a table; empty where it cannot be expressed by terms."""
    from pyiceberg.table.sorting import SortDirection

    names = {field.field_id: field.name for field in table.schema().fields}
    fields = table.sort_order().fields
    if any(field.source_id not in names for field in fields):
        return ()
    terms = tuple(SortTerm(names[field.source_id], field.direction is SortDirection.DESC) for field in fields)
    return terms if _fields(terms, table.schema()) == fields else ()


def differs(terms: Sequence[SortTerm], table: Table) -> bool:
    """Whether a table's default order differs from the stated one.

    Raises:
        SchemaConflict: A column is missing.
    """
    return table.sort_order().fields != _fields(terms, table.schema())


def evolve(transaction: Transaction, terms: Sequence[SortTerm]) -> None:
    """Make the stated order the table's default; existing files stay as they are."""
    from pyiceberg.table.sorting import NullOrder
    from pyiceberg.transforms import IdentityTransform

    with transaction.update_sort_order() as update:
        for term in terms:
            if term.descending:
                update.desc(term.column, IdentityTransform(), NullOrder.NULLS_LAST)
            else:
                update.asc(term.column, IdentityTransform(), NullOrder.NULLS_FIRST)


def _fields(terms: Sequence[SortTerm], schema: Schema) -> list[SortField]:
    from pyiceberg.table.sorting import NullOrder, SortDirection, SortField
    from pyiceberg.transforms import IdentityTransform

    ids = {field.name: field.field_id for field in schema.fields}
    missing = [term.column for term in terms if term.column not in ids]
    if missing:
        raise SchemaConflict(
            f"the rows cannot be sorted by {', '.join(map(repr, missing))}: the table has only the columns "
            f"{', '.join(ids)}",
            remedy="Name columns of the table in sort_by, as they are called there",
        )
    return [
        SortField(
            ids[term.column],
            IdentityTransform(),
            SortDirection.DESC if term.descending else SortDirection.ASC,
            NullOrder.NULLS_LAST if term.descending else NullOrder.NULLS_FIRST,
        )
        for term in terms
    ]
