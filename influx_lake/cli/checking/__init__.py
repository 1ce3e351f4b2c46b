"""`influx-lake check`: verifies the configuration, sources, catalog, permissions and tables of a lake."""
