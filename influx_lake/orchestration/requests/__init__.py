"""Loads the windows of HTTP requests by runs of Dagster."""
