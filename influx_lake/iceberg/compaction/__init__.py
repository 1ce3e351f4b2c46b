"""Compaction: many small data files become few, with the same rows."""
