"""Maintenance by query engines that others run: Spark, Trino, Athena."""
