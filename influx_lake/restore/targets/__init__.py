"""Targets of a restore: InfluxDB's write APIs, and folders of files."""
