"""Formats points as line protocol, for the dialects of InfluxDB 1, 2 and 3."""
