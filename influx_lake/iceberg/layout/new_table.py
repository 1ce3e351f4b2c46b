"""The layout of a new table: partition spec, properties, location in the warehouse."""

from __future__ import annotations

import hashlib
import logging
import re
import uuid
from typing import TYPE_CHECKING

from influx_lake.config.tables import table_properties as names
from influx_lake.config.tables.format_versions import FORMAT_VERSION, NEWEST_WRITTEN
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.iceberg.layout.partition_spec import new_spec
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog, MetastoreCatalog
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema

log = logging.getLogger("influx_lake.iceberg")

_SAFE_IN_A_PATH = re.compile(r"[A-Za-z0-9_.-]+")


def spec_of(target: TableTarget, schema: Schema) -> PartitionSpec:
    """The stated partition spec, else by day of the time, and by measurement where the table is to hold several.

    Raises:
        SchemaConflict: A field's column is missing, or its type does not suit the transform.
    """
    usual = [PartitionTerm("day", target.time_column)]
    if target.share is not None and not target.share.is_alone:
        usual.append(PartitionTerm("identity", target.share.column))
    return new_spec(usual if target.partition is None else target.partition, schema)


def new_table_properties(target: TableTarget) -> dict[str, str]:
    """Stated properties, those that tell other engines how to write the table, and those that keep metadata small."""
    write = target.write
    codec = "uncompressed" if write.compression.value == "none" else write.compression.value
    properties = {
        FORMAT_VERSION: str(NEWEST_WRITTEN),
        names.CODEC: codec,
        names.TARGET_FILE_SIZE: str(write.target_file_size),
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "100",
        **{f"{names.METRICS_OF}{column}": "full" for column in target.whole_bounds},
    }
    if write.compression_level is not None:
        properties[names.LEVEL] = str(write.compression_level)
    if "row_group_size" in write.model_fields_set:
        properties[names.ROW_GROUP_ROWS] = str(write.row_group_size)
    properties |= {names.BLOOM_FILTER + column: "true" for column in write.bloom_filter}
    return properties | dict(target.properties)


def unasked_properties(target: TableTarget) -> set[str]:
    """The properties of a new table that lake.yaml does not state, and that its loads do not depend on."""
    stated = target.write.model_fields_set
    unasked = {"write.metadata.delete-after-commit.enabled", "write.metadata.previous-versions-max"}
    unasked |= {names.CODEC} if "compression" not in stated else set()
    unasked |= {names.TARGET_FILE_SIZE} if "target_file_size" not in stated else set()
    return unasked - set(target.properties)


def table_location(catalog: Catalog, identifier: tuple[str, ...]) -> str | None:
    """A location of our own where the catalog's would not do: a name is not safe in a path, or the location has
    metadata of another table, which was renamed or dropped. None: the catalog's own; REST catalogs always choose it.
    """
    from pyiceberg.catalog import MetastoreCatalog

    warehouse = catalog.properties.get("warehouse")
    if warehouse is None or not isinstance(catalog, MetastoreCatalog):
        return None
    if all(_SAFE_IN_A_PATH.fullmatch(part) for part in identifier):
        usual = catalog._resolve_table_location(None, ".".join(identifier[:-1]), identifier[-1])
        return f"{usual}-{uuid.uuid4().hex[:8]}" if _has_metadata(catalog, usual) else None
    # Two names may map to the same path, and two tables must never share a folder.
    distinct = hashlib.blake2s("\0".join(identifier).encode(), digest_size=4).hexdigest()
    path = [re.sub(r"[^A-Za-z0-9_.-]", "_", part) for part in identifier]
    own = "/".join([warehouse.rstrip("/"), *path]) + f"-{distinct}"
    return f"{own}-{uuid.uuid4().hex[:8]}" if _has_metadata(catalog, own) else own


def _has_metadata(catalog: MetastoreCatalog, location: str) -> bool:
    """Whether a table has, or had, its metadata at a location; False where the store cannot tell."""
    from influx_lake.iceberg.storage.listing import files_below

    try:
        return next(files_below(catalog._load_file_io(location=location), f"{location}/metadata"), None) is not None
    # If the store cannot be listed or is missing, the next write to it fails and says so. The exceptions of its clients
    # have no common class.
    except Exception as error:
        log.debug("whether there are files at %s is unknown: %s", location, error)
        return False
