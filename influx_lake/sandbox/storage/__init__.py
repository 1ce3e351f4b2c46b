"""Stores written points: parsing, merging, persistence."""
