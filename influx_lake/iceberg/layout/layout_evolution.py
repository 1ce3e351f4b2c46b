"""A table that is there is laid out as lake.yaml says, where lake.yaml says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.iceberg.layout import partition_spec, properties, sort_order
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table, Transaction


def differs(table: Table, target: TableTarget) -> bool:
    """Whether the table is not laid out as was stated; what was not stated is as it should be."""
    if properties.differing(table, target):
        return True
    return _partition_differs(table, target) or _order_differs(table, target)


def _partition_differs(table: Table, target: TableTarget) -> bool:
    return target.partition is not None and partition_spec.differs(target.partition, table.spec(), table.schema())


def _order_differs(table: Table, target: TableTarget) -> bool:
    return target.write.sort_by is not None and sort_order.differs(target.write.sort_by, table)


def stage(transaction: Transaction, table: Table, target: TableTarget) -> None:
    """Put what differs into a transaction.

    Args:
        transaction: The transaction, in which the table may have been changed already.
        table: The table with these changes.
        target: What is wanted.

    Raises:
        SchemaConflict: The layout names a column that is not there, or of a type that does not suit.
    """
    properties.stage(transaction, table, target)
    if target.write.sort_by is not None and _order_differs(table, target):
        sort_order.evolve(transaction, target.write.sort_by)
    if target.partition is not None and _partition_differs(table, target):
        partition_spec.evolve(transaction, target.partition, table.spec(), table.schema())
