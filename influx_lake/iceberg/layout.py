"""How a new table is laid out: its partition spec, its properties, its place in the warehouse."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from influx_lake.config import table_properties as names
from influx_lake.config.table_layout import PartitionTerm
from influx_lake.iceberg.partition_spec import new_spec
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema

_SAFE_IN_A_PATH = re.compile(r"[A-Za-z0-9_.-]+")


def spec_of(target: TableTarget, schema: Schema) -> PartitionSpec:
    """What was asked for, or by day of the time.

    Raises:
        SchemaConflict: A field's column is not there, or its type does not go with the transform.
    """
    by_day = (PartitionTerm("day", target.time_column),)
    return new_spec(by_day if target.partition is None else target.partition, schema)


def new_table_properties(target: TableTarget) -> dict[str, str]:
    """What was stated, what other engines should know when they write to the table, and what keeps metadata small."""
    write = target.write
    codec = "uncompressed" if write.compression.value == "none" else write.compression.value
    properties = {
        names.FORMAT_VERSION: "2",
        names.CODEC: codec,
        names.TARGET_FILE_SIZE: str(write.target_file_size),
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "100",
        f"{names.METRICS_OF}{target.time_column}": "full",
    }
    if write.compression_level is not None:
        properties[names.LEVEL] = str(write.compression_level)
    if "row_group_size" in write.model_fields_set:
        properties[names.ROW_GROUP_ROWS] = str(write.row_group_size)
    properties |= {names.BLOOM_FILTER + column: "true" for column in write.bloom_filter}
    return properties | dict(target.properties)


def table_location(catalog: Catalog, identifier: tuple[str, ...]) -> str | None:
    """A location of our own only where the catalog would put a name into a path as it is, and should not."""
    warehouse = catalog.properties.get("warehouse")
    if warehouse is None or all(_SAFE_IN_A_PATH.fullmatch(part) for part in identifier):
        return None
    # Two names may become one path, and two tables must never share a folder.
    distinct = hashlib.blake2s("\0".join(identifier).encode(), digest_size=4).hexdigest()
    path = [re.sub(r"[^A-Za-z0-9_.-]", "_", part) for part in identifier]
    return "/".join([warehouse.rstrip("/"), *path]) + f"-{distinct}"
