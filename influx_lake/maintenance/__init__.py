"""Maintenance of a lake's tables: which tables there are, what is due of each, and who does it."""
