"""Restores windows of tables to InfluxDB, or to files of line protocol, and verifies them."""
