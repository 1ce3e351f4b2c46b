"""Deletes points at servers: those of one measurement in one window, where the server's API allows it."""

from influx_lake.sources.deleting.deletion import Deletion
from influx_lake.sources.deleting.opening import open_deletion

__all__ = ["Deletion", "open_deletion"]
