"""Windows that Spark loads for a run: a process of its own drives it, by Dagster Pipes."""
