"""Sorts more rows than fit into memory."""
