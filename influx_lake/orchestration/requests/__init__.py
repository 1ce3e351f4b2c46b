"""Windows that the HTTP service was asked for, loaded by runs of Dagster."""
