"""Columns of a table: their types, how rows become them, and how they change."""
