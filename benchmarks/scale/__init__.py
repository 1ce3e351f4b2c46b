"""What a lake of many measurements costs Dagster; `python -m benchmarks.scale`."""
