"""Splits windows that are too large for one process into parts, which any process writes and one commits."""
