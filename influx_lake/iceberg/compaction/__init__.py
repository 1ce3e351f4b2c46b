"""Compaction: rewrites many small data files to few, with the same rows."""
