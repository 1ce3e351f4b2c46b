"""What `influx-lake check` looks at: the lake.yaml, its sources, its catalog, its tables."""
