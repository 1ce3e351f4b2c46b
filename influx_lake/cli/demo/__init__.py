"""The demonstration: a week of metrics and this machine's own, from a sandbox into Iceberg tables."""
