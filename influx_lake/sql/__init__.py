"""Queries of the lake's tables by DuckDB, which only reads."""
