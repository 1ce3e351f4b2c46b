"""Partition spec, sort order and properties, of new and of existing tables."""
