"""Transforms the rows of a measurement between its source and its table."""

from __future__ import annotations

from influx_lake.transforms.provenance import LoadContext
from influx_lake.transforms.source import TransformedSource
from influx_lake.transforms.transformed import declared_columns, is_transformed, transformed

__all__ = ["LoadContext", "TransformedSource", "declared_columns", "is_transformed", "transformed"]
