"""Sorting more rows than fit into memory."""
