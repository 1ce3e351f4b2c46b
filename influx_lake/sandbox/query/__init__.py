"""Runs SQL and a few InfluxQL statements on the stored data."""
