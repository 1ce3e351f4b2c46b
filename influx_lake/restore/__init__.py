"""Windows of tables back into InfluxDB, or into files, as line protocol."""
