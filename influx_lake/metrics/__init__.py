"""Figures for Prometheus: of the lake's tables, and of what loads do. Knows no Dagster."""
