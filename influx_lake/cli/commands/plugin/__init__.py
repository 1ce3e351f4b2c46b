"""The commands for users of InfluxData's plugin, and for tables that others filled."""
