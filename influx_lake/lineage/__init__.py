"""Lineage of loads as OpenLineage events; independent of Dagster."""
