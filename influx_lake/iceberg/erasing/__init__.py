"""Erases rows for good: from a table's files, from its earlier snapshots, and from later loads."""
