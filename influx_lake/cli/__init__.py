"""The `influx-lake` command line."""

from influx_lake.cli.entry import main

__all__ = ["main"]
