"""Loads rows into a table, one module for each way."""
