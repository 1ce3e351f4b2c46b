"""Columns of a table: their types, how rows are mapped to them, and how they evolve."""
