"""Data that does not fit into memory, in temporary files."""
