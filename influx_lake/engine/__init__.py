"""The plugin for InfluxDB 3's processing engine that reports changes, and its installation."""
