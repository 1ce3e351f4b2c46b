"""Maintenance of a lake's tables: which tables there are, which kinds are due, executed here or by a query engine."""
