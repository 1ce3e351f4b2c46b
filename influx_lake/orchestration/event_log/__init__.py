"""What is written to the event log of a run, besides what Dagster writes."""
