"""Validates pyiceberg's catalog properties without opening the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from influx_lake.config.catalogs.catalog_locations import place_mistakes
from influx_lake.config.catalogs.property_values import value_mistakes
from influx_lake.config.references.secret import Secret

__all__ = ["catalog_mistakes", "value_mistakes"]


def catalog_mistakes(entries: Mapping[str, str | Secret]) -> Iterator[tuple[str, str]]:
    """The invalid properties, each with what would be right; secrets are not read."""
    yield from place_mistakes(entries)
    yield from value_mistakes(entries)
