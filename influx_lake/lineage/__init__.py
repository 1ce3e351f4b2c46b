"""Lineage of loads, as OpenLineage's events. Knows no Dagster."""
