"""Maintenance of tables in Dagster: for each kind an asset, a job, a schedule, and figures to plot."""
