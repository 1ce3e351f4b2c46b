"""Executes requests: in threads of the service, or by runs of Dagster."""
