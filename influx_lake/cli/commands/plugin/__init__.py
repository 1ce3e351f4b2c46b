"""Commands for users of InfluxData's plugin and for tables that other tools filled: import-plugin, adopt."""
