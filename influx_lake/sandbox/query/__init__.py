"""SQL and InfluxQL over what was written."""
