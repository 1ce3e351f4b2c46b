"""Looks at what a measurement becomes in its table, before anything is written."""
