"""Rows that leave a table for good: from its files, from its earlier snapshots, and from what loads may bring again."""
