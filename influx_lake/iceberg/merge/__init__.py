"""Joining rows that are loaded with those of the table."""
