"""Parses YAML with line numbers, includes and references."""
