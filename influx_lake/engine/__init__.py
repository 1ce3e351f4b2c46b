"""The plugin that runs inside InfluxDB 3's processing engine, and what installs it there and asks how it is."""
