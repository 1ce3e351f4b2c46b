"""Changes the layout of an existing table to the one that lake.yaml states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.iceberg.layout import partition_spec, properties, sort_order
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table, Transaction


def differs(table: Table, target: TableTarget) -> bool:
    """Whether the table's layout differs from the stated one; what is not stated does not differ."""
    if properties.differing(table, target):
        return True
    return _partition_differs(table, target) or _order_differs(table, target)


def _partition_differs(table: Table, target: TableTarget) -> bool:
    return target.partition is not None and partition_spec.differs(target.partition, table.spec(), table.schema())


def _order_differs(table: Table, target: TableTarget) -> bool:
    return target.write.sort_by is not None and sort_order.differs(target.write.sort_by, table)


def stage(transaction: Transaction, table: Table, target: TableTarget) -> None:
    """Add the changes of the layout to a transaction.

    Args:
        transaction: The transaction, which may have other changes already.
        table: The table with these changes.
        target: The table as lake.yaml describes it.

    Raises:
        SchemaConflict: The layout names a missing column, or one whose type does not suit.
    """
    properties.stage(transaction, table, target)
    if target.write.sort_by is not None and _order_differs(table, target):
        sort_order.evolve(transaction, target.write.sort_by)
    if target.partition is not None and _partition_differs(table, target):
        partition_spec.evolve(transaction, target.partition, table.spec(), table.schema())
