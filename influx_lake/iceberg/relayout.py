"""A table that is there is laid out as lake.yaml says, where lake.yaml says so."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from influx_lake.errors import CommitConflict
from influx_lake.iceberg import partition_spec, sort_order, stated_properties
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.translation import catalog_errors

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_ATTEMPTS = 20
_LONGEST_PAUSE_SECONDS = 2.0


def with_layout(catalog: Catalog, table: Table, target: TableTarget) -> Table:
    """Change what differs from what was stated, in one commit; what was not stated stays as it is.

    Raises:
        SchemaConflict: The layout names a column that is not there, or of a type that does not suit.
        CatalogError: The catalog fails.
    """
    from pyiceberg.exceptions import CommitFailedException

    for attempt in range(_ATTEMPTS):
        if not _differs(table, target):
            return table
        with catalog_errors(f"change the layout of {target.name}"):
            try:
                _change(table, target)
            except CommitFailedException:
                time.sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.05 * 2**attempt)))
            table = catalog.load_table(target.identifier)
    raise CommitConflict(f"other writers kept changing {target.name} while its layout was changed")


def _differs(table: Table, target: TableTarget) -> bool:
    if stated_properties.differing(table, target):
        return True
    return _partition_differs(table, target) or _order_differs(table, target)


def _partition_differs(table: Table, target: TableTarget) -> bool:
    return target.partition is not None and partition_spec.differs(target.partition, table.spec(), table.schema())


def _order_differs(table: Table, target: TableTarget) -> bool:
    return target.write.sort_by is not None and sort_order.differs(target.write.sort_by, table)


def _change(table: Table, target: TableTarget) -> None:
    with table.transaction() as transaction:
        stated_properties.stage(transaction, table, target)
        if target.write.sort_by is not None and _order_differs(table, target):
            sort_order.evolve(transaction, target.write.sort_by)
        if target.partition is not None and _partition_differs(table, target):
            partition_spec.evolve(transaction, target.partition, table.spec(), table.schema())
