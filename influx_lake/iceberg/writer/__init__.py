"""Writes data files: partitions, row groups, encodings, metrics."""
