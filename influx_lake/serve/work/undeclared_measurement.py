"""Measurements that lake.yaml does not declare, made for requests in the format of InfluxData's plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from influx_lake.config import Lake, Measurement, SchemaEvolution
from influx_lake.config.lake.table_names import TableNames
from influx_lake.config.measurements.options import DefaultOptions, MeasurementOptions, PartitionOptions
from influx_lake.config.measurements.resolution import resolve_measurement
from influx_lake.config.report.diagnostics import OptionMistake
from influx_lake.config.transforms.column_selection import FieldOptions, TagOptions
from influx_lake.config.transforms.options import Duplicates
from influx_lake.config.values.patterns import is_pattern
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.validated_names import safe_table_name
from influx_lake.iceberg.target import MEASUREMENT
from influx_lake.serve.problems import Problem

if TYPE_CHECKING:
    from influx_lake.config.values.source_schema import MeasurementSchema
    from influx_lake.session import Session

NAMESPACE = "default"
"""The default namespace of such a measurement."""


def undeclared(session: Session, body: Mapping[str, Any]) -> Measurement:
    """Make a measurement that lake.yaml does not declare, from a declared source, for a table that lake.yaml does not
    use.

    Raises:
        Problem: The table is one of the lake's, or the columns cannot be chosen so: the table has some that are left
            out, which the load would empty.
        LakeError: The columns of source or table cannot be read.
    """
    choice = _choice(session.reliable_source(source_of(session.lake)).schema(body["measurement"]), body)
    measurement = _resolved(session.lake, body, choice)
    if choice:
        _check_left_out(session, measurement, _resolved(session.lake, body, {}))
    return measurement


def _resolved(lake: Lake, body: Mapping[str, Any], choice: Mapping[str, Any]) -> Measurement:
    """The measurement with some of its columns.

    Raises:
        Problem: The table is one of the lake's, or the lake's defaults do not go with it.
    """
    name, source = body["measurement"], source_of(lake)
    defaults = {each: getattr(lake.defaults, each) for each in DefaultOptions.model_fields}
    requested: dict[str, Any] = {
        "namespace": body["namespace"] or NAMESPACE,
        "table": body["table_name"] or safe_table_name(name),
        "partition": PartitionOptions(every=lake.defaults.partition.every, timezone=lake.defaults.partition.timezone),
        "schema_evolution": SchemaEvolution.ADD_COLUMNS if body["auto_update_schema"] else SchemaEvolution.STRICT,
        "history": None,
        "tail": None,
        "rollups": {},
        "retention": None,
    }
    try:
        # All are validated; options that are not given are None.
        options = MeasurementOptions.model_construct(**{**defaults, **requested, **choice})
        measurement = resolve_measurement(name, name, options, source, lake.source(source))
    except (ValueError, OptionMistake) as mistake:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} cannot be replicated so: {mistake}") from None
    if clash := TableNames(lake.measurements).claim(measurement):
        raise Problem(HTTPStatus.CONFLICT, f"{clash.reason}: name another namespace or table_name", measurement=name)
    if measurement.share is not None and not measurement.share.is_alone:
        # Its rows have the measurement's name, and a load replaces only those.
        return measurement
    return replace(measurement, table_properties={**measurement.table_properties, MEASUREMENT: name})


def _check_left_out(session: Session, requested: Measurement, whole: Measurement) -> None:
    """Refuse to load without columns that both table and source have: the load would null them.

    Raises:
        Problem: There are such columns.
        LakeError: The columns of source or table cannot be read.
    """
    from influx_lake.iceberg.scan.reader import find_table
    from influx_lake.transforms import transformed

    table = find_table(session.catalog, requested.identifier, requested.share)
    if table is None:
        return
    source = session.reliable_source(requested.source)
    kept, known = (
        {column.name for column in transformed(source, each).schema(each.name).columns} for each in (requested, whole)
    )
    if emptied := [name for name in table.schema().column_names if name in known - kept]:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"the table {requested.table_name} has columns that the request leaves out, and each batch would empty "
            f"them: {', '.join(emptied[:10])}. Ask for them too, or for another table_name",
            measurement=requested.name,
        )


def source_of(lake: Lake) -> str:
    """The source of measurements that are not declared.

    Raises:
        Problem: The lake has several sources, and the request does not say which.
    """
    default = lake.defaults.source or "default"
    if default in lake.sources:
        return default
    if len(lake.sources) == 1:
        return next(iter(lake.sources))
    raise Problem(
        HTTPStatus.CONFLICT,
        f"the lake has the sources {', '.join(lake.sources)}, none called default: declare the measurement",
    )


def _choice(schema: MeasurementSchema, body: Mapping[str, Any]) -> dict[str, Any]:
    """The options that select the columns of a request.

    Raises:
        Problem: There are no such columns.
    """
    if not (body["included_fields"] or body["excluded_fields"]):
        return {}
    columns = selected_columns(schema, body)
    fields = tuple(name for name in schema.fields if name in columns)
    tags = tuple(name for name in schema.tags if name in columns)
    if strange := [name for name in columns if is_pattern(name)]:
        message = f"columns with names such as {strange[0]!r} cannot be chosen by a request: declare the measurement"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    if not fields:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "no field is left: a row needs one")
    kept = {"duplicates": Duplicates.KEEP} if len(tags) < len(schema.tags) else {}
    return {"fields": FieldOptions(include=fields), "tags": TagOptions(include=tags), **kept}


def selected_columns(schema: MeasurementSchema, body: Mapping[str, Any]) -> list[str]:
    """The selected columns other than time, by the plugin's rule: an include list overrides the exclude list.

    Raises:
        Problem: A named column does not exist.
    """
    known = [*schema.tags, *schema.fields]
    included, excluded = body["included_fields"], body["excluded_fields"]
    unknown = [name for name in included or excluded if name not in known and name != TIME]
    if unknown:
        message = f"{schema.measurement} has no {', '.join(unknown[:10])}: it has {', '.join(known[:50])}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, message, measurement=schema.measurement)
    if included:
        return [name for name in known if name in included]
    return [name for name in known if name not in excluded]
