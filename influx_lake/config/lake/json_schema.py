"""Generates the JSON Schema of a lake.yaml, for editors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema

from influx_lake.config.catalogs.nested import NESTED
from influx_lake.config.catalogs.options import DEFAULT_CATALOG, CatalogSection
from influx_lake.config.catalogs.store_properties import STORE_PROPERTIES
from influx_lake.config.connections import DEFAULT_TYPE, SOURCE_TYPES, ServerConfig, SourceConfig
from influx_lake.config.connections.storage import StoredConfig
from influx_lake.config.lake.alerts import AlertOptions
from influx_lake.config.lake.operation import OperationOptions
from influx_lake.config.lake.serving import ServeOptions
from influx_lake.config.lake.spark import SparkOptions
from influx_lake.config.maintenance.engines import EngineConnections
from influx_lake.config.measurements.guards import Tolerance
from influx_lake.config.measurements.options import DefaultOptions, MeasurementOptions
from influx_lake.config.observation.cost import CostOptions
from influx_lake.config.observation.metrics import MetricsOptions
from influx_lake.config.observation.openlineage import OpenLineageOptions
from influx_lake.config.values.units import format_duration

_REFERENCE = {
    "type": "string",
    "pattern": r"\$\{.+\}",
    "description": "A reference, such as ${VAR} or ${VAR:-default}.",
}
_RESTRICTING = ("enum", "const", "pattern")
# Bounds behind a validator, which pydantic writes under its own names.
_ENDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_DEFINITION = "#/$defs/{model}"
_ABOUT = ("description", "default", "examples")


class LakeFile(OperationOptions):
    """A lake: which measurements of which InfluxDB databases become which Iceberg tables, and how."""

    model_config = ConfigDict(extra="forbid")

    include: str | list[str] = Field(
        default=[],
        description="More files with sections of this lake, relative to this one. The same entry in two is a mistake.",
        examples=[["lake.d/*.yaml"]],
    )
    storage: dict[str, dict[str, str]] = Field(
        default={},
        description="Ways to object stores, by names that `catalog` and sources of files say as their `storage`: each "
        "holds pyiceberg's own properties.",
        json_schema_extra={
            "additionalProperties": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": ["string", "number", "boolean"]},
                "propertyNames": {"enum": list(STORE_PROPERTIES)},
            }
        },
        examples=[{"minio": {"s3.endpoint": "http://minio:9000", "s3.secret-access-key": "${S3_SECRET}"}}],
    )
    sources: dict[str, SourceConfig] = Field(
        description="The databases to read, by a name of your choice; `default` is the one where none is named."
    )
    catalog: CatalogSection = Field(
        default=CatalogSection.model_validate(DEFAULT_CATALOG),
        description="The Iceberg catalog to write to, as pyiceberg's own properties. Default: on this disk.",
    )
    defaults: DefaultOptions = Field(
        default=DefaultOptions(), description="What holds for every measurement that does not say otherwise."
    )
    measurements: dict[str, MeasurementOptions] = Field(
        default={},
        description="The measurements to keep in the lake, by name or by pattern (`*`, `?`, `[a-z]`). A name wins over "
        "patterns, and the first pattern that matches over those below it.",
    )
    alerts: AlertOptions | None = Field(
        default=None, description="Who is told when a run or a check fails or a measurement is late. Default: nobody."
    )
    engines: EngineConnections = Field(
        default=EngineConnections(),
        description="The query engines that tables may name as their `maintenance.engine`, and how each is reached.",
    )
    spark: SparkOptions = Field(
        default=SparkOptions(), description="The Spark that loads windows where `engine: spark` says so."
    )
    serve: ServeOptions = Field(default=ServeOptions(), description="The HTTP service of `influx-lake serve`.")
    metrics: MetricsOptions | None = Field(
        default=None, description="Where Dagster's daemon hands metrics for Prometheus to. Default: nowhere."
    )
    cost: CostOptions | None = Field(
        default=None, description="By which prices `influx-lake cost` and the overview tell costs. Default: by none."
    )
    openlineage: OpenLineageOptions | None = Field(
        default=None, description="Where OpenLineage's events of loads go. Default: nowhere."
    )


def lake_json_schema() -> dict[str, Any]:
    """The schema, in JSON Schema draft 2020-12."""
    written = LakeFile.model_json_schema(schema_generator=_Generator)
    schema: dict[str, Any] = _with_references(written)
    schema["$defs"]["Reference"] = _REFERENCE
    schema["properties"]["sources"]["additionalProperties"] = _source_schema(schema["$defs"])
    schema["$defs"]["CatalogSection"]["additionalProperties"] = {"type": ["string", "number", "boolean"]}
    schema["$defs"]["CatalogSection"]["properties"] |= {
        name: {"type": "object", "description": text} for name, text in NESTED.items()
    }
    measurements = schema["properties"]["measurements"]
    # `cpu:` without options is a complete entry.
    measurements["additionalProperties"] = {"anyOf": [measurements["additionalProperties"], {"type": "null"}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "lake.yaml"}


def _source_schema(definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a source: `type` selects the options."""
    del definitions["SourceConfig"]
    for model in SOURCE_TYPES.values():
        own = _with_references(model.model_json_schema(schema_generator=_Generator, ref_template=_DEFINITION))
        # A type may hold another one, which is defined already.
        for name, nested in own.pop("$defs", {}).items():
            definitions.setdefault(name, nested)
        if issubclass(model, ServerConfig):
            _allow_many(own["properties"][model.DATABASE_OPTION])
        if issubclass(model, StoredConfig):
            _allow_name(own["properties"]["storage"])
        definitions[model.__name__] = own
    named = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"$ref": _DEFINITION.format(model=model.__name__)},
        }
        for name, model in SOURCE_TYPES.items()
    ]
    unnamed = {
        "if": {"not": {"required": ["type"]}},
        "then": {"$ref": _DEFINITION.format(model=SOURCE_TYPES[DEFAULT_TYPE].__name__)},
    }
    kind = {"anyOf": [{"enum": list(SOURCE_TYPES)}, {"$ref": _DEFINITION.format(model="Reference")}]}
    return {"type": "object", "properties": {"type": kind}, "allOf": [*named, unnamed]}


def _allow_many(database: dict[str, Any]) -> None:
    """Allow a list of databases in the option that names one."""
    one = {"type": database.pop("type"), "minLength": database.pop("minLength")}
    database["anyOf"] = [one, {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}]
    database["description"] += " A pattern or a list stands for several: each is a namespace."


def _allow_name(storage: dict[str, Any]) -> None:
    """Allow the name of an entry of `storage`."""
    about = {key: storage.pop(key) for key in _ABOUT if key in storage}
    inline = dict(storage)
    storage.clear()
    storage |= {**about, "anyOf": [inline, {"type": "string", "description": "An entry of `storage`."}]}


class _Generator(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        return str(dft) if isinstance(dft, Tolerance) else super().encode_default(dft)


def _with_references(node: Any) -> Any:
    """Allow a reference in place of every restricted value, and drop what editors need not show."""
    if isinstance(node, list):
        return [_with_references(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {_ENDS.get(key, key): value for key, value in node.items() if key not in _ENDS or _is_number(value)}
    if not _is_restricted(node):
        return {key: _with_references(value) for key, value in node.items() if not _is_noise(key, value)}
    about = {key: node[key] for key in _ABOUT if key in node}
    rule = {key: value for key, value in node.items() if key not in (*_ABOUT, "title")}
    return {**about, "anyOf": [rule, {"$ref": "#/$defs/Reference"}]}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _is_restricted(node: dict[str, Any]) -> bool:
    return node.get("type") in ("integer", "boolean") or (
        node.get("type") == "string" and any(key in node for key in _RESTRICTING)
    )


def _is_noise(key: str, value: Any) -> bool:
    """Whether an entry is a title that repeats a name, or a default that repeats those inside."""
    return (key == "title" and isinstance(value, str)) or (
        key == "default" and (value is None or isinstance(value, dict))
    )
