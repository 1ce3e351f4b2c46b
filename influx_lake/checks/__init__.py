"""Data quality checks of measurements' tables, run after loads; independent of Dagster."""
