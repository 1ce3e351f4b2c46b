"""Answers SQL and a few InfluxQL statements from the stored data."""
