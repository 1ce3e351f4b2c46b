"""Maintenance of tables in Dagster: an asset for each kind, a job and a schedule for each, and figures that plot."""
