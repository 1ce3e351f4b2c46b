"""The kinds of maintenance and their implementations, in order of execution."""

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

Maintainer: TypeAlias = Callable[[TableTask, Any], Maintained]
"""Does one kind of maintenance to a table, with the options of the kind."""

KINDS: Mapping[Kind, Maintainer] = {
    Kind.COMPACT: compact,
    Kind.REWRITE_MANIFESTS: rewrite_manifests,
    Kind.RETENTION: retention,
    Kind.EXPIRE_SNAPSHOTS: expire_snapshots,
    Kind.STATISTICS: statistics,
    Kind.REMOVE_ORPHANS: remove_orphans,
    Kind.METADATA: metadata,
}
"""The implementation of each kind. Expiry follows the kinds that make snapshots, and orphan removal follows expiry."""
