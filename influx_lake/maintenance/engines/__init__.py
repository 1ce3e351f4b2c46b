"""Maintenance by external query engines: Spark, Trino, Athena."""
