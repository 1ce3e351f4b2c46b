"""Joins loaded rows with those of the table."""
