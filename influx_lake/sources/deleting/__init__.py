"""Points out of servers, for good: of one measurement and one window, where the server can be told so."""

from influx_lake.sources.deleting.deletion import Deletion
from influx_lake.sources.deleting.opening import open_deletion

__all__ = ["Deletion", "open_deletion"]
