"""Names and facets of data sets in lineage events, by OpenLineage's naming specification."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    catalog_dataset,
    column_lineage_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
    storage_dataset,
    symlinks_dataset,
)

from influx_lake.iceberg.columns.known_columns import actual

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.types import IcebergType, NestedField

    from influx_lake.config.values.source_schema import MeasurementSchema
    from influx_lake.iceberg.window_result import WindowResult

Name = tuple[str, str]
"""A data set's namespace and name."""
Facets = dict[str, Any]
_CREDENTIALS = re.compile(r"^([\w.+-]+://)[^:/@]*(?::[^@]*)?@")
"""As SQLAlchemy reads them: a password may hold anything but `@`."""


def source_name(identity: str, measurement: str) -> Name:
    """The data set of a measurement at its source.

    As the specification names tables of databases: the server is the namespace, and the database's parts and the
    measurement are the name. Files are named by their location.

    Args:
        identity: The source's identity: `influxdb3://host:8181/telemetry`.
        measurement: The measurement's name there.
    """
    parts = urlsplit(identity)
    if parts.netloc and parts.scheme.startswith("influxdb") and "+" not in parts.scheme:
        database = ".".join(part for part in parts.path.split("/") if part)
        return f"{parts.scheme}://{parts.netloc}", f"{database}.{measurement}"
    place, _, database = identity.partition("#")
    kind, _, path = place.partition(":") if "+" not in place else place.partition("+")
    return kind, f"{path}#{database}.{measurement}" if database else f"{path}.{measurement}"


def table_name(location: str) -> Name:
    """The data set of a table, named by its location as the specification does for files and objects.

    Args:
        location: The table's location: `s3://bucket/warehouse/telemetry/cpu`.
    """
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        return "file", parts.path or location
    return f"{parts.scheme}://{parts.netloc}", parts.path.strip("/")


def input_of(name: Name, schema: MeasurementSchema | None, rows: int | None) -> InputDataset:
    """The input data set of a load from a measurement.

    Args:
        name: The data set's name.
        schema: Its columns, where they are known.
        rows: The number of rows read, once they were.
    """
    facets: Facets = {"datasetType": dataset_type_dataset.DatasetTypeDatasetFacet("TABLE", "MEASUREMENT")}
    if schema is not None:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            [
                schema_dataset.SchemaDatasetFacetFields(each.name, str(each.type), description=str(each.role))
                for each in schema.columns
            ]
        )
    read = (
        {}
        if rows is None
        else {"inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rows)}
    )
    return InputDataset(*name, facets=facets, inputFacets=read)  # type: ignore[arg-type]


def table_input(table: Table, rows: int | None) -> InputDataset:
    """The input data set of a roll-up."""
    read = (
        {}
        if rows is None
        else {"inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rows)}
    )
    return InputDataset(*table_name(table.location()), facets=table_facets(table), inputFacets=read)  # type: ignore[arg-type]


def output_of(table: Table, results: Sequence[WindowResult], lineage: Facets) -> OutputDataset:
    """The output data set of a load.

    Args:
        table: The table, as it is now.
        results: The commits; empty before the load is done.
        lineage: The source columns of each column, where they are known.
    """
    written: Facets = {}
    if results:
        facet = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=sum(each.rows for each in results),
            size=sum(each.bytes_written for each in results),
            fileCount=sum(each.files_added for each in results),
        )
        written = {"outputStatistics": facet}
    facets = {**table_facets(table), **lineage}
    if results:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(str(results[-1].snapshot_id))
    return OutputDataset(*table_name(table.location()), facets=facets, outputFacets=written)


def table_facets(table: Table) -> Facets:
    """The facets of a table: schema, catalog, storage format, name in the catalog."""
    catalog, name = table.catalog, ".".join(table.name())
    # Some write credentials into a catalog's address.
    uri = _without_credentials(str(catalog.properties.get("uri", "")))
    kind = str(catalog.properties.get("type") or type(catalog).__name__.removesuffix("Catalog").lower())
    described = catalog_dataset.CatalogDatasetFacet(
        framework="iceberg",
        type=kind,
        name=catalog.name,
        warehouseUri=catalog.properties.get("warehouse"),
        metadataUri=uri or None,
    )
    link = symlinks_dataset.Identifier(uri or catalog.name, name, "TABLE")
    return {
        "schema": schema_dataset.SchemaDatasetFacet([_field(each) for each in actual(table).schema().fields]),
        "catalog": described,
        "storage": storage_dataset.StorageDatasetFacet("iceberg", "parquet"),
        "symlinks": symlinks_dataset.SymlinksDatasetFacet([link]),
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet("TABLE"),
    }


def column_lineage(made_of: Mapping[str, Sequence[str]], source: Name, how: Mapping[str, tuple[str, str]]) -> Facets:
    """The column lineage facet of a table.

    Args:
        made_of: The input columns of each column of the table.
        source: The input data set.
        how: The transformation subtype and description of each column; identity where there is no entry.
    """
    fields = {}
    for name, columns in made_of.items():
        subtype, text = how.get(name, ("IDENTITY", ""))
        transformation = column_lineage_dataset.Transformation("DIRECT", subtype, text, masking=False)
        inputs = [column_lineage_dataset.InputField(*source, column, [transformation]) for column in columns]
        fields[name] = column_lineage_dataset.Fields(inputs)
    return {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields)} if fields else {}


def _field(field: NestedField) -> schema_dataset.SchemaDatasetFacetFields:
    inner = getattr(field.field_type, "fields", ())
    return schema_dataset.SchemaDatasetFacetFields(
        field.name,
        _type(field.field_type),
        description=field.doc,
        fields=[_field(each) for each in inner],
    )


def _type(kind: IcebergType) -> str:
    """A type's name, without the fields of a nested one."""
    return str(kind).partition("<")[0]


def _without_credentials(uri: str) -> str:
    # `urlunsplit` would drop slashes of `sqlite:////path`.
    return re.split("[?#]", _CREDENTIALS.sub(r"\1", uri), maxsplit=1)[0]
