"""The `influx-lake` command."""

from influx_lake.cli.entry import main

__all__ = ["main"]
