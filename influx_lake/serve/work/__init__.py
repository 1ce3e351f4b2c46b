"""Who does what was asked for: threads of the service, or runs of Dagster."""
