"""Loads windows by Spark for a run: a separate process drives Spark, over Dagster Pipes."""
