"""Metrics for Prometheus: the state of the lake's tables, and counters of loads; independent of Dagster."""
