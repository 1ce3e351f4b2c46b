"""Formats query results for terminals and as CSV, JSON or Parquet."""
