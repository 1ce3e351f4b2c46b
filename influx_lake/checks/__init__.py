"""Whether a measurement's table is right: what is looked at after it was loaded. Knows no Dagster."""
