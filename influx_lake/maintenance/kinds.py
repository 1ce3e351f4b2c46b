"""The kinds of maintenance, in the order in which they help one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from influx_lake.config.maintenance.options import Kind
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.metadata import metadata
from influx_lake.iceberg.maintenance.remove_orphans import remove_orphans
from influx_lake.iceberg.maintenance.retention import retention
from influx_lake.iceberg.maintenance.rewrite_manifests import rewrite_manifests
from influx_lake.iceberg.maintenance.statistics import statistics
from influx_lake.iceberg.maintenance.task import Maintained, TableTask

Does: TypeAlias = Callable[[TableTask, Any], Maintained]
"""Does a kind of maintenance to a table, as the options of the kind say."""

KINDS: Mapping[Kind, Does] = {
    Kind.COMPACT: compact,
    Kind.REWRITE_MANIFESTS: rewrite_manifests,
    Kind.RETENTION: retention,
    Kind.EXPIRE_SNAPSHOTS: expire_snapshots,
    Kind.STATISTICS: statistics,
    Kind.REMOVE_ORPHANS: remove_orphans,
    Kind.METADATA: metadata,
}
"""What does each kind. Snapshots go after what makes new ones, and files after the snapshots that need them."""
