"""The partition spec that lake.yaml states, for new and for existing tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.errors import SchemaConflict

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Transaction
    from pyiceberg.transforms import Transform


def new_spec(terms: Sequence[PartitionTerm], schema: Schema) -> PartitionSpec:
    """The spec of a new table.

    Raises:
        SchemaConflict: A field's column is missing, or its type does not suit the transform.
    """
    from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec

    wanted = _transforms(terms, schema)
    return PartitionSpec(
        *(
            PartitionField(
                source_id=source_id,
                field_id=PARTITION_FIELD_ID_START + number,
                transform=transform,
                name=_name(schema.find_column_name(source_id) or "", transform),
            )
            for number, (source_id, transform) in enumerate(wanted.items())
        )
    )


def differs(terms: Sequence[PartitionTerm], spec: PartitionSpec, schema: Schema) -> bool:
    """Whether a table's spec differs from the stated one; the order of its fields does not matter.

    Raises:
        SchemaConflict: A field's column is missing, or its type does not suit the transform.
    """
    return _transforms(terms, schema) != _current(spec)


def evolve(transaction: Transaction, terms: Sequence[PartitionTerm], spec: PartitionSpec, schema: Schema) -> None:
    """Change a table's spec to the stated one; existing files stay in their partitions."""
    wanted = _transforms(terms, schema)
    with transaction.update_spec() as update:
        for field in spec.fields:
            if wanted.get(field.source_id) != field.transform:
                update.remove_field(field.name)
    current = _current(spec)
    with transaction.update_spec() as update:
        for source_id, transform in wanted.items():
            if current.get(source_id) != transform:
                column = schema.find_column_name(source_id) or ""
                update.add_field(column, transform, _name(column, transform))


def _transforms(terms: Sequence[PartitionTerm], schema: Schema) -> dict[int, Transform[Any, Any]]:
    found = {}
    for term in terms:
        if term.column not in schema.column_names:
            raise SchemaConflict(
                f"the table cannot be partitioned by {term}: it has no column {term.column!r}, only "
                f"{', '.join(schema.column_names)}",
                remedy="Name one of the measurement's columns in iceberg_partition",
            )
        field, transform = schema.find_field(term.column), _transform(term)
        if not transform.can_transform(field.field_type):
            raise SchemaConflict(
                f"the table cannot be partitioned by {term}: {term.column!r} is {field.field_type}, and "
                f"{term.transform} does not apply to that",
                remedy="Give another transform, or another column, in iceberg_partition",
            )
        found[field.field_id] = transform
    return found


def _current(spec: PartitionSpec) -> dict[int, Transform[Any, Any]]:
    from pyiceberg.transforms import VoidTransform

    return {field.source_id: field.transform for field in spec.fields if not isinstance(field.transform, VoidTransform)}


def _transform(term: PartitionTerm) -> Transform[Any, Any]:
    from pyiceberg.transforms import parse_transform

    transform: Transform[Any, Any] = parse_transform(
        term.transform if term.width is None else f"{term.transform}[{term.width}]"
    )
    return transform


def _name(column: str, transform: Transform[Any, Any]) -> str:
    """Name a partition field as pyiceberg and Spark do: `time_day`, `host_bucket_16`."""
    kind = str(transform)
    if kind == "identity":
        return column
    return f"{column}_{kind.replace('[', '_').removesuffix(']').replace('truncate', 'trunc')}"
